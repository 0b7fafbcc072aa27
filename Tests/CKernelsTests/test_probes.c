// The probes of the machine: their figures have an order that holds on any machine, and what is lacking is 0. Nothing
// is compared with a time: an emulator runs this too.
#include "apus_probes.h"
#include "test.h"

static const double moment = 0.002; ///< seconds a probe gets here

static bool is_rate(double rate) { return isfinite(rate) && rate > 0; }

/// A mean is not above the fastest sample, but for the rounding of its sums.
static bool are_rates(apus_probe_rates rates) {
    return is_rate(rates.sustained) && is_rate(rates.fastest) && rates.sustained <= rates.fastest * (1 + 1e-9);
}

static void test_compute(void) {
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++) {
        for (int probe = 0; probe < APUS_PROBE_COUNT; probe++) {
            const double rate = apus_probe_compute((apus_probe)probe, (apus_isa)isa, 1, moment);
            const char *name = apus_isa_name((apus_isa)isa), *what = apus_probe_name((apus_probe)probe);
            if (!apus_isa_available((apus_isa)isa))
                check(rate == 0, "%s %s: %g on a machine that lacks it", name, what, rate);
            else if (probe == APUS_PROBE_BF16_DOT)
                check(rate == 0 || is_rate(rate), "%s %s: %g", name, what, rate);
            else
                check(is_rate(rate), "%s %s: %g", name, what, rate);
        }
    }
    check(is_rate(apus_probe_compute(APUS_PROBE_F32_FMA, APUS_ISA_PORTABLE, 2, 0)), "two threads, no time at all");
    check(apus_probe_compute(APUS_PROBE_BF16_DOT, APUS_ISA_PORTABLE, 1, moment) == 0,
          "portable C has no bf16 products");
    check(apus_probe_compute(APUS_PROBE_COUNT, APUS_ISA_PORTABLE, 1, moment) == 0, "no such probe");
    check(apus_probe_compute(APUS_PROBE_INT8_DOT, APUS_ISA_COUNT, 1, moment) == 0, "no such instruction set");
    check(strcmp(apus_probe_name(APUS_PROBE_COUNT), "unknown") == 0, "the name of no probe");
}

static void test_read(void) {
    static const size_t sizes[] = {1, 4096, 5000, 16384, 300000, 3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int huge = 0; huge < 2; huge++) {
            apus_probe_buffer *buffer = apus_probe_buffer_create(sizes[i], huge);
            if (!check(buffer != NULL, "no buffer of %zu bytes", sizes[i])) continue;
            check(apus_probe_buffer_way(buffer)[0] == '\0', "a way before any read");
            for (int threads = 1; threads <= 3; threads++)
                check(are_rates(apus_probe_buffer_read(buffer, threads, 0)), "%zu bytes, %d threads", sizes[i],
                      threads);
            check(are_rates(apus_probe_buffer_read(buffer, 3, moment)), "%zu bytes again", sizes[i]);
            check(strstr(apus_probe_buffer_way(buffer), " bytes ahead") != NULL, "the way: %s",
                  apus_probe_buffer_way(buffer));
            apus_probe_buffer_free(buffer);
        }
    }
    check(are_rates(apus_probe_read(65536, 1, true, 0)), "all at once");
    check(apus_probe_read(SIZE_MAX / 2, 1, false, 0).fastest == 0, "more 4 KB pages than there are");
    check(apus_probe_read(SIZE_MAX / 2, 1, true, 0).sustained == 0, "more huge pages than there are");
    apus_probe_buffer_free(NULL);
}

static void test_team(void) {
    for (int threads = 1; threads <= 2; threads++) {
        const double barrier = apus_probe_barrier(threads), fork_join = apus_probe_fork_join(threads);
        check(isfinite(barrier) && barrier > 0 && barrier < 1, "a barrier of %d takes %g s", threads, barrier);
        check(isfinite(fork_join) && fork_join > 0 && fork_join < 1, "a team of %d takes %g s", threads, fork_join);
    }
}

static void test_caches(void) {
    size_t below = 0;
    for (int level = 1; level <= 3; level++) {
        const size_t bytes = apus_cache_bytes(level);
        check(bytes == 0 || bytes > below, "level %d has %zu bytes, the one below it %zu", level, bytes, below);
        below = bytes > below ? bytes : below;
    }
    check(apus_cache_bytes(0) == 0 && apus_cache_bytes(9) == 0, "levels that no machine has");
}

int main(void) {
    test_compute();
    test_read();
    test_team();
    test_caches();
    return test_finish();
}
