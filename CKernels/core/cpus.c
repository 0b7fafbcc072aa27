// How many processors this process may use: its affinity mask, limited by the CPU quota of its control groups.
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "apus_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>

/// Reads a small file into text; false when there is none.
static bool read_text(const char *path, char *text, size_t text_bytes) {
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    const size_t n = fread(text, 1, text_bytes - 1, file);
    fclose(file);
    text[n] = '\0';
    return n > 0;
}

/// quota / period, rounded up; INT32_MAX when there is no limit.
static long processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return INT32_MAX;
    const long long n = (quota + period - 1) / period;
    return n > INT32_MAX ? INT32_MAX : (long)n;
}

/// The limit of one version-2 group, by its cpu.max: "max 100000" or "150000 100000".
static long group_limit(const char *folder) {
    char path[4200], text[128];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    long long quota = 0, period = 0;
    if (!read_text(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2) return INT32_MAX;
    return processors(quota, period);
}

/// The smallest limit among this process's version-2 group and the groups around it.
static long cgroup2_limit(void) {
    char text[4096], folder[4180];
    long limit = group_limit("/sys/fs/cgroup");
    if (!read_text("/proc/self/cgroup", text, sizeof text)) return limit;
    char *line = strstr(text, "0::/");
    if (line == NULL) return limit;
    line += 3;
    line[strcspn(line, "\n")] = '\0';
    for (size_t length = strlen(line); length > 1;) {
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%.*s", (int)length, line);
        const long group = group_limit(folder);
        if (group < limit) limit = group;
        while (length > 0 && line[length - 1] != '/') length--;
        if (length > 0) length--;
    }
    return limit;
}

static long cgroup1_limit(void) {
    char quota[64], period[64];
    if (!read_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) ||
        !read_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period))
        return INT32_MAX;
    return processors(atoll(quota), atoll(period));
}

/// Processors in the affinity mask; masks of big machines need more room than cpu_set_t has.
static long affinity(void) {
    for (int processors = 1024; processors <= 1 << 20; processors *= 4) {
        cpu_set_t *mask = CPU_ALLOC(processors);
        if (mask == NULL) break;
        const size_t bytes = CPU_ALLOC_SIZE(processors);
        const bool ok = sched_getaffinity(0, bytes, mask) == 0;
        const int count = ok ? CPU_COUNT_S(bytes, mask) : 0;
        CPU_FREE(mask);
        if (ok) return count;
    }
    return sysconf(_SC_NPROCESSORS_ONLN);
}
#endif

int apus_cpu_count(void) {
#if defined(__linux__)
    long count = affinity();
    const long v2 = cgroup2_limit(), v1 = cgroup1_limit();
    if (v2 < count) count = v2;
    if (v1 < count) count = v1;
#else
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    if (count < 1) return 1;
    return count > APUS_MAX_THREADS ? APUS_MAX_THREADS : (int)count;
}
