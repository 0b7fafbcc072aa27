// The choice of a kernel variant: by the machine, by name, by APUS_ISA; and what is said when the machine lacks one.
// APUS_EXPECT_ISA, if set, names the variant that this machine (or emulator) must choose by itself.
#include "apus_kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void check(bool ok, const char *what, const char *detail) {
    if (ok) return;
    failures++;
    fprintf(stderr, "wrong: %s (%s)\n", what, detail);
}

/// Whether `text` is one line without an end, and names every variant that is available.
static bool lists_available(const char *text) {
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++)
        if (apus_isa_available((apus_isa)isa) && !strstr(text, apus_isa_name((apus_isa)isa))) return false;
    return text[0] != 0 && !strchr(text, '\n');
}

static void check_by_name(apus_isa best) {
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++) {
        const char *name = apus_isa_name((apus_isa)isa);
        char error[256] = "";
        bool selected = apus_isa_select(name, error, sizeof error);
        check(selected == apus_isa_available((apus_isa)isa), "select succeeds where available", name);
        if (selected) {
            check(apus_isa_active() == (apus_isa)isa, "the selected variant is active", name);
            check(apus_isa_select(NULL, error, sizeof error) && apus_isa_active() == best, "NULL selects the best",
                  name);
        } else {
            check(apus_isa_active() == best, "a refused variant changes nothing", name);
            check(strstr(error, name) && lists_available(error), "the refusal names it and lists the available", error);
        }
    }
}

static void check_wrong_names(apus_isa best) {
    static const char *const wrong[] = {" ", "avx", "AVX2", "avx2 ", "neon-", "portable,avx2", "none"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char error[256] = "";
        check(!apus_isa_select(wrong[i], error, sizeof error), "an unknown name is refused", wrong[i]);
        check(lists_available(error), "the refusal lists the available", error);
        check(apus_isa_active() == best, "an unknown name changes nothing", wrong[i]);
    }
    char tiny[8];
    memset(tiny, 'x', sizeof tiny);
    check(!apus_isa_select("none", tiny, 4), "an unknown name is refused", "short buffer");
    check(memchr(tiny, 0, 4) && tiny[4] == 'x', "a short buffer is ended and not overrun", "4 bytes");
}

static void check_environment(void) {
    char error[256] = "";
    setenv("APUS_ISA", "portable", 1);
    check(apus_isa_select(NULL, error, sizeof error), "APUS_ISA=portable is taken", error);
    check(apus_isa_active() == APUS_ISA_PORTABLE, "APUS_ISA=portable is active", apus_isa_name(apus_isa_active()));
    setenv("APUS_ISA", "mmx", 1);
    check(!apus_isa_select(NULL, error, sizeof error), "APUS_ISA=mmx is refused", "accepted");
    check(strstr(error, "APUS_ISA") && strstr(error, "mmx") && lists_available(error), "and the refusal says so",
          error);
    unsetenv("APUS_ISA");
    check(apus_isa_select(NULL, error, sizeof error), "without APUS_ISA the best is selected", error);
}

int main(void) {
    char error[256] = "";
    unsetenv("APUS_ISA");
    check(apus_isa_select(NULL, error, sizeof error), "the best is selected", error);
    apus_isa best = apus_isa_active();
    check(apus_isa_available(best), "the best is available", apus_isa_name(best));
    check(apus_isa_available(APUS_ISA_PORTABLE), "portable is available", "everywhere");
    const char *expected = getenv("APUS_EXPECT_ISA");
    if (expected) check(strcmp(apus_isa_name(best), expected) == 0, expected, apus_isa_name(best));
    check(!apus_isa_use_bf16(false), "BF16 dot products are off when turned off", apus_isa_name(best));
    const bool has_bf16 = apus_isa_use_bf16(true);
    if (expected) check(!has_bf16, "none of the emulated models has BF16 dot products", expected);
    check_by_name(best);
    check_wrong_names(best);
    check_environment();
    if (failures == 0) printf("best here: %s%s\n", apus_isa_name(best), has_bf16 ? " with BF16" : "");
    return failures != 0;
}
