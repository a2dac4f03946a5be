/* The inner loop of trellis.py: the numbers that a level's changes read from the table, the same as its NumPy form finds. */

#include "../_kernels.h"

/* Add to the values what a level's changes bring.
   starts: (pieces + 1,) | delta: (starts[pieces],) | moves: (the longest piece,)
   due, coefficients, offsets, strong: (count,), due rising from 1, offsets into `table`, coefficients into `values` */
EXPORT void csfnns_add_level(int states, int memory, int pieces, int count, int64_t weak_gain, int64_t strong_gain,
                             const int64_t *starts, const int8_t *delta, const int32_t *moves, const int32_t *due,
                             const int32_t *coefficients, const int32_t *offsets, const uint8_t *strong,
                             const int16_t *table, int64_t *values) {
  const uint32_t mask = (uint32_t)states - 1;
  for (int piece = 0, j = 0; piece < pieces; piece++) {
    uint32_t s = 0;
    int until = memory;
    for (int64_t t = starts[piece]; t < starts[piece + 1]; t++) {
      s += (uint32_t)(moves[t - starts[piece]] * delta[t]); /* modulo 2^32, which the states divide */
      if (--until == 0) {
        s <<= 1;
        until = memory;
      }
      for (; j < count && due[j] == t + 1; j++)
        values[coefficients[j]] += (strong[j] ? strong_gain : weak_gain) * table[offsets[j] + (s & mask)];
    }
  }
}
