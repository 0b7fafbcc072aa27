// Uses an installed copy of the kernels: every thread of a team must run exactly once.
#include <apus_kernels.h>
#include <stdio.h>

enum { THREADS = 3 };

static void mark(int thread, int n_threads, void *context) {
    int *calls = context;
    if (n_threads == THREADS && thread >= 0 && thread < THREADS) calls[thread]++;
}

int main(void) {
    int calls[THREADS] = {0};
    apus_team_run(THREADS, mark, calls);
    for (int thread = 0; thread < THREADS; thread++) {
        if (calls[thread] != 1) {
            fprintf(stderr, "thread %d ran %d times, should be once\n", thread, calls[thread]);
            return 1;
        }
    }
    printf("%s on %s\n", apus_isa_name(apus_isa_active()), apus_team_backend());
    return 0;
}
