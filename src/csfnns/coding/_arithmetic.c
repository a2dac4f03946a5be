/* The loops of arithmetic.py: the same symbols and words as its Python form finds. */

#include "../_kernels.h"

#ifdef __SIZEOF_INT128__

typedef unsigned __int128 wide;

static const int TOTAL_BITS = 30, WINDOW = 96, WORD = 32;

static uint32_t word_at(const uint32_t *words, int64_t count, int64_t i) { return i < count ? words[i] : 0; }

/* Decode words into at most `length` symbols, the i-th of the distribution `rows[i]`, each of `width` bounds.
   Returns the number of symbols, and in `determined` whether they determine the message. */
EXPORT int64_t csfnns_decode(const int64_t *distributions, int64_t width, const int64_t *rows, int64_t length,
                             const uint32_t *words, int64_t count, int64_t bits, int stop, int64_t *symbols,
                             int *determined) {
  const int64_t total = (int64_t)1 << TOTAL_BITS;
  wide code = 0, span = (wide)1 << WINDOW;
  int64_t next = 0, spare = WINDOW - bits;
  while (next < WINDOW / WORD) code = code << WORD | word_at(words, count, next++);
  wide tail = spare > 0 ? code & (((wide)1 << spare) - 1) : 0;
  *determined = 0;
  for (int64_t i = 0; i < length; i++) {
    const int64_t *bounds = distributions + rows[i] * width;
    wide step = span >> TOTAL_BITS, ratio = code / step;
    int64_t at, low = 0, high = width - 1; /* the last bound that is no more than the ratio lies in low … high - 1 */
    int64_t value = ratio < (wide)total ? (int64_t)ratio : total - 1;
    while (high - low > 1) {
      int64_t middle = (low + high) / 2;
      if (bounds[middle] <= value)
        low = middle;
      else
        high = middle;
    }
    at = low;
    wide start = bounds[at] * step;
    code -= start;
    span = bounds[at + 1] < total ? (wide)(bounds[at + 1] - bounds[at]) * step : span - start;
    symbols[i] = at;
    if (spare >= 0 && !*determined && code <= tail && span - code <= ((wide)1 << spare) - tail) {
      *determined = 1;
      if (stop) return i + 1;
    }
    if (span < (wide)1 << (WINDOW - WORD)) {
      uint32_t word = word_at(words, count, next++);
      span <<= WORD;
      code = code << WORD | word;
      if (!*determined) {
        spare += WORD;
        if (spare > 0) tail = tail << WORD | (spare < WORD ? word & (((uint32_t)1 << spare) - 1) : word);
      }
    }
  }
  return length;
}

/* Encode `length` symbols, given by their bounds. Writes at most `most` words, each up to 2^32, and then low and span as
   three words of 32 bits each, the highest first. Returns the number of words. */
EXPORT int64_t csfnns_encode(const int64_t *starts, const int64_t *ends, int64_t length, int64_t most, uint64_t *words,
                             uint64_t *state) {
  const int64_t total = (int64_t)1 << TOTAL_BITS;
  wide low = 0, span = (wide)1 << WINDOW;
  int64_t count = 0;
  for (int64_t i = 0; i < length && count < most; i++) {
    wide step = span >> TOTAL_BITS;
    low += starts[i] * step;
    span = ends[i] < total ? (wide)(ends[i] - starts[i]) * step : span - starts[i] * step;
    if (span < (wide)1 << (WINDOW - WORD)) {
      words[count++] = (uint64_t)(low >> (WINDOW - WORD));
      low = (low & (((wide)1 << (WINDOW - WORD)) - 1)) << WORD;
      span <<= WORD;
    }
  }
  state[0] = (uint64_t)(low >> 64), state[1] = (uint64_t)low;
  state[2] = (uint64_t)(span >> 64), state[3] = (uint64_t)span;
  return count;
}

#endif
