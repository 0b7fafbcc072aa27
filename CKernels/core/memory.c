// Pages for weights and caches: 2 MiB pages where the kernel gives them (DESIGN.md: reads 15 to 40 % faster).
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "apus_kernels.h"

#include <sys/mman.h>

#if defined(__linux__) && !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25
#endif
#if defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif

void *apus_pages_alloc(size_t bytes) {
    if (bytes == 0 || bytes > SIZE_MAX - 2 * (size_t)APUS_HUGE_PAGE) return NULL;
    const size_t page = 4096, rounded = (bytes + page - 1) / page * page;
    const size_t slack = bytes >= APUS_HUGE_PAGE ? APUS_HUGE_PAGE : 0;
    uint8_t *base = mmap(NULL, rounded + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    if (slack == 0) return base;
    // Cut what stands before the first 2 MiB border and after the end.
    const size_t before = (APUS_HUGE_PAGE - (uintptr_t)base % APUS_HUGE_PAGE) % APUS_HUGE_PAGE;
    if (before > 0) munmap(base, before);
    if (slack > before) munmap(base + before + rounded, slack - before);
#if defined(MADV_HUGEPAGE)
    madvise(base + before, rounded, MADV_HUGEPAGE);
#endif
    return base + before;
}

void apus_pages_free(void *pages, size_t bytes) {
    if (pages != NULL) munmap(pages, (bytes + 4095) / 4096 * 4096);
}

bool apus_pages_can_merge(void) {
#if defined(__linux__)
    // Advice about nothing is answered by whether the kernel knows it; the address need only be a page's.
    return madvise(NULL, 0, MADV_COLLAPSE) == 0;
#else
    return false;
#endif
}

void apus_pages_get(void *page) {
#if defined(__linux__)
    madvise(page, 1, MADV_POPULATE_WRITE);
#else
    (void)page;
#endif
}

void apus_pages_prefer(void *pages, size_t bytes, bool huge) {
#if defined(MADV_HUGEPAGE)
    madvise(pages, (bytes + 4095) / 4096 * 4096, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)pages, (void)bytes, (void)huge;
#endif
}

bool apus_pages_merge(void *page) {
#if defined(__linux__)
    return madvise(page, APUS_HUGE_PAGE, MADV_COLLAPSE) == 0;
#else
    (void)page;
    return false;
#endif
}
