// How many bytes a second the team reads from a cache level or from memory, in the fastest of several ways.
#ifndef APUS_BODY
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "probes/probe.h"
#include "isa/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/// Where a software prefetch brings a line to.
typedef enum hint { NO_PREFETCH, TO_L1_ONCE, TO_L2, HINTS } hint;

/// A way to read: so many streams side by side, and prefetches so many bytes ahead of each.
typedef struct way {
    int streams;
    hint hint;
    size_t ahead;
} way;

// Chosen from 100 (streams, distances to 8 KB, hints, shares handed out in pieces) on Zen 4, where none is always the
// best: what else the machine's memory is busy with decides.
#define WAYS_OF(streams)                                                                                               \
    {streams, NO_PREFETCH, 0}, {streams, TO_L1_ONCE, 256}, {streams, TO_L1_ONCE, 1024}, {streams, TO_L2, 512},         \
        {streams, TO_L2, 1024}
static const way ways[] = {WAYS_OF(1), WAYS_OF(2), WAYS_OF(4), WAYS_OF(8)};
enum { WAYS = sizeof ways / sizeof *ways, TRIES = 3, KEPT = 4 };

/// Reads `bytes` (a multiple of READ_UNIT) `passes` times.
typedef void (*read_fn)(const uint8_t *p, size_t bytes, size_t passes, const way *way);

/// Every stream is a multiple of an iteration long, and starts on its own cache line.
#define READ_UNIT ((size_t)8 * 512)

#define APUS_BODY "probes/read.c"
#include "isa/foreach_isa.h"

static const read_fn readers[APUS_ISA_COUNT] = APUS_VARIANTS(read);

struct apus_probe_buffer {
    uint8_t *pages;
    size_t bytes;       ///< as asked for, rounded down to whole READ_UNITs, at least one
    size_t pages_bytes; ///< of the mapping
    int tuned_for;      ///< the number of threads that `best` is about; 0: none yet
    int best[KEPT];     ///< the fastest ways, fastest first
    char way[64];
};

/// 4 KB pages, whatever the system's habit.
static void *small_pages(size_t bytes) {
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return NULL;
#if defined(MADV_NOHUGEPAGE)
    madvise(pages, bytes, MADV_NOHUGEPAGE);
#endif
    return pages;
}

apus_probe_buffer *apus_probe_buffer_create(size_t bytes, bool huge_pages) {
    apus_probe_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer == NULL) return NULL;
    const size_t rounded = bytes / READ_UNIT * READ_UNIT;
    buffer->bytes = rounded > 0 ? rounded : READ_UNIT;
    // Small buffers get a huge page too, or a cache level would be measured through 4 KB translations.
    const size_t least = (size_t)2 << 20;
    buffer->pages_bytes = huge_pages && buffer->bytes < least ? least : buffer->bytes;
    buffer->pages = huge_pages ? apus_pages_alloc(buffer->pages_bytes) : small_pages(buffer->pages_bytes);
    if (buffer->pages == NULL) {
        free(buffer);
        return NULL;
    }
    // Untouched pages are all the same page of zeros, which the caches hold.
    memset(buffer->pages, 1, buffer->pages_bytes);
    return buffer;
}

void apus_probe_buffer_free(apus_probe_buffer *buffer) {
    if (buffer == NULL) return;
    apus_pages_free(buffer->pages, buffer->pages_bytes);
    free(buffer);
}

const char *apus_probe_buffer_way(const apus_probe_buffer *buffer) { return buffer->way; }

typedef struct reading {
    const apus_probe_buffer *buffer;
    const way *way;
    read_fn fn;
    size_t passes;
} reading;

static void run(int thread, int n_threads, void *context) {
    const reading *r = context;
    const size_t units = r->buffer->bytes / READ_UNIT;
    const size_t begin = units * (size_t)thread / (size_t)n_threads;
    const size_t end = units * ((size_t)thread + 1) / (size_t)n_threads;
    if (end > begin) r->fn(r->buffer->pages + begin * READ_UNIT, (end - begin) * READ_UNIT, r->passes, r->way);
}

/// What one way read, and how long it took.
typedef struct sum {
    double bytes, seconds;
} sum;

/// One sample of a way, at least half a millisecond long; `passes` grows until it is.
static sum sample(const apus_probe_buffer *buffer, int way, apus_isa isa, int threads, size_t *passes) {
    for (;;) {
        reading r = {buffer, &ways[way], readers[isa], *passes};
        const double seconds = apus_probe_time(threads, run, &r);
        if (seconds > 5e-4) return (sum){(double)buffer->bytes * (double)*passes, seconds};
        *passes *= 2;
    }
}

/// Way after way, three times, since the machine drifts while they run: the fastest samples name the ways to keep.
static void tune(apus_probe_buffer *buffer, apus_isa isa, int threads, size_t *passes) {
    double rates[WAYS] = {0};
    for (int i = 0; i < TRIES * WAYS; i++) {
        const sum s = sample(buffer, i % WAYS, isa, threads, passes);
        if (s.bytes / s.seconds > rates[i % WAYS]) rates[i % WAYS] = s.bytes / s.seconds;
    }
    for (int kept = 0; kept < KEPT; kept++) {
        int best = 0;
        for (int way = 1; way < WAYS; way++)
            if (rates[way] > rates[best]) best = way;
        rates[best] = 0;
        buffer->best[kept] = best;
    }
    buffer->tuned_for = threads;
}

apus_probe_rates apus_probe_buffer_read(apus_probe_buffer *buffer, int threads, double seconds) {
    size_t passes = 1;
    // The widest loads there are, whatever the kernels use.
    apus_isa isa = APUS_ISA_PORTABLE;
    for (int i = 0; i < APUS_ISA_COUNT; i++)
        if (apus_isa_available((apus_isa)i)) isa = (apus_isa)i;

    if (threads < 1) threads = 1;
    if (buffer->tuned_for != threads) tune(buffer, isa, threads, &passes);
    apus_probe_rates rates = {0};
    sum sums[KEPT] = {{0}};
    const double end = apus_probe_now() + seconds;
    for (int i = 0; i < KEPT || apus_probe_now() < end; i++) {
        const sum s = sample(buffer, buffer->best[i % KEPT], isa, threads, &passes);
        if (s.bytes / s.seconds > rates.fastest) rates.fastest = s.bytes / s.seconds;
        sums[i % KEPT].bytes += s.bytes;
        sums[i % KEPT].seconds += s.seconds;
    }
    int winner = 0;
    for (int i = 0; i < KEPT; i++) {
        const double rate = sums[i].bytes / sums[i].seconds;
        if (rate <= rates.sustained) continue;
        rates.sustained = rate;
        winner = buffer->best[i];
    }
    static const char *const hints[HINTS] = {"no prefetch", "prefetch to L1 once", "prefetch to L2"};
    snprintf(buffer->way, sizeof buffer->way, "%d streams, %s, %zu bytes ahead", ways[winner].streams,
             hints[ways[winner].hint], ways[winner].ahead);
    return rates;
}

apus_probe_rates apus_probe_read(size_t bytes, int threads, bool huge_pages, double seconds) {
    apus_probe_buffer *buffer = apus_probe_buffer_create(bytes, huge_pages);
    if (buffer == NULL) return (apus_probe_rates){0};
    const apus_probe_rates rates = apus_probe_buffer_read(buffer, threads, seconds);
    apus_probe_buffer_free(buffer);
    return rates;
}
#else

/// n streams (a constant) of equal length; an iteration takes 512 bytes of all together.
APUS_INLINE void V(read_streams)(const uint8_t *p, size_t bytes, size_t passes, size_t ahead, size_t n, hint to) {
    const size_t length = bytes / n, step = 512 / n;
    i32x16 sums[4] = {0};
    for (size_t pass = 0; pass < passes; pass++) {
        for (size_t i = 0; i < length; i += step) {
#pragma clang loop unroll(full)
            for (size_t s = 0; s < n; s++) {
                const uint8_t *at = p + s * length + i;
#pragma clang loop unroll(full)
                for (size_t line = 0; line < step; line += 64) {
                    if (to == TO_L1_ONCE) __builtin_prefetch(at + line + ahead, 0, 0);
                    if (to == TO_L2) __builtin_prefetch(at + line + ahead, 0, 2);
                    i32x16 x;
                    __builtin_memcpy(&x, at + line, sizeof x);
                    sums[(s + line / 64) % 4] ^= x;
                }
            }
        }
        __asm__ volatile("" ::: "memory"); // the next pass reads again
    }
    const int32_t sink = __builtin_reduce_xor((sums[0] ^ sums[1]) ^ (sums[2] ^ sums[3]));
    __asm__ volatile("" ::"r"(sink));
}

APUS_INLINE void V(read_hint)(const uint8_t *p, size_t bytes, size_t passes, const way *way, size_t n) {
    if (way->hint == TO_L1_ONCE)
        V(read_streams)(p, bytes, passes, way->ahead, n, TO_L1_ONCE);
    else if (way->hint == TO_L2)
        V(read_streams)(p, bytes, passes, way->ahead, n, TO_L2);
    else
        V(read_streams)(p, bytes, passes, 0, n, NO_PREFETCH);
}

static void V(read)(const uint8_t *p, size_t bytes, size_t passes, const way *way) {
    if (way->streams == 8)
        V(read_hint)(p, bytes, passes, way, 8);
    else if (way->streams == 4)
        V(read_hint)(p, bytes, passes, way, 4);
    else if (way->streams == 2)
        V(read_hint)(p, bytes, passes, way, 2);
    else
        V(read_hint)(p, bytes, passes, way, 1);
}
#endif
