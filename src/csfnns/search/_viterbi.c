/* The inner loop of viterbi.py: the cheapest changes of one piece, the same as its NumPy form finds.

   All arithmetic is on integers of 16 bits, in plain loops that compilers turn into SIMD. */

#include <string.h>

#include "../_kernels.h"

/* One build for every x86-64 processor: the loader picks the widest SIMD that the machine has. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

/* One sub-pixel: the cost of each state behind it, and the change that leads there: 0 none, 1 up, 2 down.
   `a` holds the costs before it twice, so that neighbours need no modulus. */
CLONES static void step(int states, int move, uint16_t up, uint16_t down, const uint16_t *restrict a, uint16_t *restrict b,
                        uint8_t *restrict choice) {
  const uint16_t *below = a + states - move, *above = a + move;
  for (int s = 0; s < states; s++) {
    uint16_t best = a[s], raised = below[s] + up, lowered = above[s] + down;
    uint16_t which = raised < best ? 1 : 0;
    best = raised < best ? raised : best;
    which = lowered < best ? 2 : which;
    best = lowered < best ? lowered : best;
    b[s] = best; /* no more than a[s]: to stay costs nothing */
    choice[s] = (uint8_t)which;
  }
}

/* Add what a coefficient's error costs in each state: the square, without its low 16 bits. */
CLONES static void charge(int states, uint16_t cap, int16_t target, const int16_t *restrict table, uint16_t *restrict a) {
  for (int s = 0; s < states; s++) {
    int16_t error = (int16_t)(target - table[s]);
    uint16_t cost = (uint16_t)(a[s] + (uint16_t)(((int32_t)error * error) >> 16));
    a[s] = cost < cap ? cost : cap;
  }
}

CLONES static uint16_t least(int states, const uint16_t *a) {
  uint16_t found = UINT16_MAX;
  for (int s = 0; s < states; s++) found = a[s] < found ? a[s] : found;
  return found;
}

/* Forget: s <- 2 s. The cheaper of two states goes on, `upper` says where it was the upper one; odd states begin unreachable.
   The least cost is taken off, so that costs stay small. */
CLONES static void forget(int half, uint16_t cap, uint16_t by, const uint16_t *restrict b, uint16_t *restrict a, uint8_t *restrict upper) {
  for (int s = 0; s < half; s++) {
    uint16_t low = b[s], high = b[s + half];
    upper[s] = high < low;
    a[2 * s] = (uint16_t)((high < low ? high : low) - by);
    a[2 * s + 1] = cap;
  }
}

/* Find the changes of `size` sub-pixels from state 0.
   up, down, moves: (size,) | due, targets, offsets: (count,), due rising from 1, offsets into `table` | changes: (size,), written
   costs: (4 * states,), choices: (size, states), halves: (size / memory, states / 2) are room to work in. */
EXPORT void csfnns_search_piece(int states, int memory, int cap, int size, int count, const uint16_t *up, const uint16_t *down,
                                const int32_t *moves, const int32_t *due, const int16_t *targets, const int32_t *offsets,
                                const int16_t *table, int8_t *changes, uint16_t *costs, uint8_t *choices, uint8_t *halves) {
  const int half = states / 2;
  const size_t bytes = sizeof(uint16_t) * (size_t)states;
  uint16_t *a = costs, *b = costs + 2 * states;
  for (int s = 0; s < 2 * states; s++) a[s] = (uint16_t)cap;
  a[0] = a[states] = 0;
  for (int t = 0, j = 0; t < size; t++) {
    step(states, moves[t], up[t], down[t], a, b, choices + (size_t)t * states);
    if ((t + 1) % memory == 0) {
      forget(half, (uint16_t)cap, least(states, b), b, a, halves + (size_t)(t / memory) * half);
    } else {
      uint16_t *swap = a;
      a = b;
      b = swap;
    }
    for (; j < count && due[j] == t + 1; j++) charge(states, (uint16_t)cap, targets[j], table + offsets[j], a);
    memcpy(a + states, a, bytes);
  }
  int s = 0;
  for (int k = 1; k < states; k++)
    if (a[k] < a[s]) s = k;
  for (int t = size - 1; t >= 0; t--) {
    if ((t + 1) % memory == 0) s = s / 2 + (halves[(size_t)(t / memory) * half + s / 2] ? half : 0);
    int choice = choices[(size_t)t * states + s];
    changes[t] = (int8_t)(choice == 1 ? 1 : choice == 2 ? -1 : 0);
    s = (s - changes[t] * moves[t]) & (states - 1);
  }
}
