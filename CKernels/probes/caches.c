// How big the caches are that one processor sees.
#include "apus_probes.h"

#include <stdio.h>
#include <string.h>

#if defined(__linux__)
/// The first line of a file of a cache's description; false when there is none.
static bool read_line(int index, const char *name, char *text, int text_bytes) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    const bool ok = fgets(text, text_bytes, file) != NULL;
    fclose(file);
    return ok;
}
#endif

size_t apus_cache_bytes(int level) {
#if defined(__linux__)
    char text[64];
    for (int index = 0; read_line(index, "level", text, sizeof text); index++) {
        int found = 0;
        if (sscanf(text, "%d", &found) != 1 || found != level) continue;
        if (!read_line(index, "type", text, sizeof text) || strncmp(text, "Instruction", 11) == 0) continue;
        unsigned long size = 0;
        char unit = 0;
        if (!read_line(index, "size", text, sizeof text) || sscanf(text, "%lu%c", &size, &unit) < 1) continue;
        return (size_t)size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
    }
#else
    (void)level;
#endif
    return 0;
}
