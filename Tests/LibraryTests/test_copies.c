// Two copies of the library in one process, one of them opened by dlopen() and closed after use, as plug-ins are.
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <link.h>
#include <time.h>

enum { N_TOKENS = 6 };

/// The functions that are used here, of one copy.
typedef struct copy {
    __typeof__(&apus_model_load) load;
    __typeof__(&apus_model_info) info;
    __typeof__(&apus_model_release) release;
    __typeof__(&apus_session_create) create;
    __typeof__(&apus_session_eval) eval;
    __typeof__(&apus_session_sample) sample;
    __typeof__(&apus_session_release) end;
} copy;

static const copy linked = {apus_model_load,   apus_model_info,     apus_model_release,  apus_session_create,
                            apus_session_eval, apus_session_sample, apus_session_release};

/// Writes a copy of the library that this program is linked with to a file: of the same file there is one copy only.
static void copy_library(const char *to) {
    struct link_map *map = NULL;
    void *const library = dlopen("libapus.so.1", RTLD_NOW | RTLD_NOLOAD);
    CHECK(library != NULL && dlinfo(library, RTLD_DI_LINKMAP, &map) == 0);
    FILE *const in = fopen(map->l_name, "rb"), *const out = fopen(to, "wb");
    CHECK(in != NULL && out != NULL);
    static char buffer[1 << 16];
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, in)) > 0;) fwrite(buffer, 1, count, out);
    CHECK(fclose(in) == 0 && fclose(out) == 0);
    dlclose(library);
}

static copy find_functions(void *library) {
    copy copy;
    *(void **)&copy.load = dlsym(library, "apus_model_load");
    *(void **)&copy.info = dlsym(library, "apus_model_info");
    *(void **)&copy.release = dlsym(library, "apus_model_release");
    *(void **)&copy.create = dlsym(library, "apus_session_create");
    *(void **)&copy.eval = dlsym(library, "apus_session_eval");
    *(void **)&copy.sample = dlsym(library, "apus_session_sample");
    *(void **)&copy.end = dlsym(library, "apus_session_release");
    return copy;
}

static apus_model *load(const copy *copy) {
    apus_model *model = NULL;
    EXPECT(APUS_OK, copy->load(model_path(), "{\"n_threads\": 2, \"n_ctx\": 128}", NULL, NULL, &model, &message));
    return model;
}

static void generate(const copy *copy, const apus_model *model, int32_t tokens[N_TOKENS]) {
    apus_session *session = NULL;
    EXPECT(APUS_OK, copy->create((apus_model *)model, NULL, &session, &message));
    int32_t last = 1;
    for (int i = 0; i < N_TOKENS; i++) {
        EXPECT(APUS_OK, copy->eval(session, &last, 1, 0, &message));
        EXPECT(APUS_OK, copy->sample(session, "{\"temperature\": 0}", &last, &message));
        tokens[i] = last;
    }
    copy->end(session);
}

int main(void) {
    const char *const path = "./copy-of-libapus.so";
    copy_library(path);
    int32_t wanted[N_TOKENS], found[N_TOKENS];
    apus_model *const model = load(&linked);
    generate(&linked, model, wanted);
    for (int round = 0; round < 2; round++) {
        void *const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        if (library == NULL) return result();
        const copy other = find_functions(library);
        CHECK(other.load != linked.load);
        apus_model *const others = load(&other);
        generate(&other, others, found);
        CHECK(memcmp(wanted, found, sizeof wanted) == 0);
        // Handles belong to their copy.
        char *json = NULL;
        EXPECT(APUS_INVALID_ARGUMENT, other.info(model, &json, &message));
        EXPECT(APUS_INVALID_ARGUMENT, apus_model_info(others, &json, &message));
        other.release(others);
        // Its threads wait for work, so its code must stay where it is.
        CHECK(dlclose(library) == 0);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    generate(&linked, model, found);
    CHECK(memcmp(wanted, found, sizeof wanted) == 0);
    apus_model_release(model);
    check_no_handles();
    remove(path);
    return result();
}
