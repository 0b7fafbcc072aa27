// apus_microbench: measures every registered kernel against the machine's roofs.
#include "events.h"
#include "grid.h"
#include "roofs.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>

namespace microbench {

namespace {

const char usage[] = R"(usage: apus_microbench [--all] [--peers] [--benchmark_...]

Measures the machine's roofs, then kernels against them. Without --all: a representative part, in at most 10 minutes.

  --all    every op x weight type x instruction set x shape x tokens x threads: hours
  --peers  other people's kernels too, as far as they were found when this was built
  --help   this text

Google Benchmark's flags, of which some are:
  --benchmark_filter=REGEX        by name: op/type/isa/mTOKENS/shape/tTHREADS, as matmul/q4_0/avx512vnni/m1/n2048k2048/t2
  --benchmark_list_tests          only the names
  --benchmark_out=FILE            JSON
  --benchmark_min_time=SECONDS    of a repetition (0.02)
  --benchmark_repetitions=N       for confidence intervals (5)
)";

struct Options {
    bool all = false, peers = false, list = false, min_time = false, repetitions = false;
};

struct Program {
    Grid grid;
    Roofs roofs{grid};
    Events &events;
    const Case *prepared_case = nullptr;
    Work work;
    explicit Program(Events &events) : events(events) {}
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Called by Google Benchmark to find the number of iterations, and once a repetition.
void measure(benchmark::State &state, Program &program, const Case &c) {
    if (!apus_isa_select(apus_isa_name(c.isa), nullptr, 0)) return state.SkipWithError("instruction set not available");
    if (program.prepared_case != &c) {
        program.prepared_case = nullptr;
        program.work = {};
        try {
            program.work = c.prepare();
        } catch (const std::exception &error) {
            return state.SkipWithError(error.what());
        }
        program.prepared_case = &c;
        program.work.run(); // caches, and the threads' start
    }
    const Work &work = program.work;
    Roofs &roofs = program.roofs;
    const Level level = roofs.level_of(work.footprint, c.threads);
    const double intensity = work.macs / work.bytes;
    const double compute = work.is_product ? roofs.compute(work.unit, c.isa, c.threads) : HUGE_VAL;
    // Memory's speed changes within seconds where others share it, so it is read before and after.
    double read = roofs.read(level, c.threads);

    const Events::Counts before = program.events.available() ? program.events.read() : Events::Counts{};
    const double start = now();
    for (auto _ : state) work.run();
    const double seconds = now() - start;
    const Events::Counts after = program.events.available() ? program.events.read() : Events::Counts{};
    read = std::max(read, roofs.read(level, c.threads));

    const double kernels = work.kernels * static_cast<double>(state.iterations());
    const double rate = work.macs * kernels / seconds;
    const double memory_roof = read * intensity, roof = std::min(compute, memory_roof);
    state.counters["ns/kernel"] = seconds / kernels * 1e9;
    state.counters["GMAC/s"] = rate * 1e-9;
    state.counters["GB/s"] = work.bytes * kernels / seconds * 1e-9;
    state.counters["MAC/B"] = intensity;
    state.counters["%roof"] = 100 * rate / roof;
    if (work.is_product) state.counters["roof_GMAC/s"] = compute * 1e-9;
    state.counters["roof_GB/s"] = read * 1e-9;
    if (program.events.available()) {
        state.counters["cycles"] = static_cast<double>(after.cycles - before.cycles) / kernels;
        state.counters["instr"] = static_cast<double>(after.instructions - before.instructions) / kernels;
    }
    state.SetLabel(compute <= memory_roof ? apus_probe_name(work.unit) : level_name(level));
}

/// The console: one line a case, the median of its repetitions.
class MedianReporter : public benchmark::ConsoleReporter {
  public:
    MedianReporter() : ConsoleReporter(OO_Tabular) {}
    void ReportRuns(const std::vector<Run> &runs) override {
        std::vector<Run> shown;
        for (Run run : runs) {
            const bool is_single = run.run_type == Run::RT_Iteration && run.repetitions <= 1;
            if (!is_single && !run.error_occurred && run.aggregate_name != "median") continue;
            run.aggregate_name.clear();
            run.run_type = Run::RT_Iteration;
            run.repetition_index = Run::no_repetition_index;
            run.counters.erase("roof_GMAC/s");
            run.counters.erase("roof_GB/s");
            shown.push_back(run);
        }
        if (!shown.empty()) ConsoleReporter::ReportRuns(shown);
    }
};

/// Our own flags, taken out of the arguments; and what of Google Benchmark's is set.
Options parse(std::vector<char *> &arguments) {
    Options options;
    const auto is = [](const char *argument, const char *flag) {
        return std::strncmp(argument, flag, std::strlen(flag)) == 0;
    };
    std::vector<char *> others;
    for (char *argument : arguments) {
        if (std::strcmp(argument, "--all") == 0) {
            options.all = true;
        } else if (std::strcmp(argument, "--peers") == 0) {
            options.peers = true;
        } else if (std::strcmp(argument, "--help") == 0 || std::strcmp(argument, "-h") == 0) {
            std::fputs(usage, stdout);
            std::exit(0);
        } else {
            options.list = options.list ||
                           (is(argument, "--benchmark_list_tests") && !is(argument, "--benchmark_list_tests=false"));
            options.min_time = options.min_time || is(argument, "--benchmark_min_time");
            options.repetitions = options.repetitions || is(argument, "--benchmark_repetitions");
            others.push_back(argument);
        }
    }
    arguments = others;
    return options;
}

int run(std::vector<char *> arguments) {
    Events events; // before any thread
    const Options options = parse(arguments);
    static char min_time[] = "--benchmark_min_time=0.02", repetitions[] = "--benchmark_repetitions=5";
    // In front, so that an error of the user's own is about the user's own.
    if (!options.repetitions) arguments.insert(arguments.begin() + 1, repetitions);
    if (!options.min_time) arguments.insert(arguments.begin() + 1, min_time);
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 64;

    Program program(events);
    add_op_cases(program.grid);
    if (options.peers) add_peer_cases(program.grid);
    for (const Case &c : program.grid.cases)
        if (options.all || c.is_default)
            benchmark::RegisterBenchmark(c.name.c_str(),
                                         [&program, &c](benchmark::State &state) { measure(state, program, c); })

                ->Unit(benchmark::kMicrosecond);

    for (const std::string &op : program.grid.unmeasured)
        std::fprintf(stderr, "note: op %s is not measured: Benchmarks/microbench/ops has no file for it\n", op.c_str());
    if (!options.list) {
        if (!events.available())
            std::fprintf(stderr, "note: no columns of cycles and instructions (%s)\n", events.why().c_str());
        std::fprintf(stderr, "Measuring the machine's roofs\n");
        program.roofs.measure();
        for (const auto &[name, value] : program.roofs.context()) {
            benchmark::AddCustomContext(name, value);
        }
        const std::string disturbance = program.roofs.disturbance();
        if (!disturbance.empty()) std::fprintf(stderr, "note: %s\n", disturbance.c_str());
        benchmark::AddCustomContext("disturbance", disturbance);
        benchmark::AddCustomContext("apus team", apus_team_backend());
        benchmark::AddCustomContext("apus best isa", apus_isa_name(program.grid.best()));
        benchmark::AddCustomContext("events", events.available() ? "cycles, instructions" : events.why());
        std::string unmeasured;
        for (const std::string &op : program.grid.unmeasured) unmeasured += (unmeasured.empty() ? "" : " ") + op;
        benchmark::AddCustomContext("ops not measured", unmeasured);
    }
    MedianReporter reporter;
    const size_t matching = benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    return matching > 0 ? 0 : 64; // Google Benchmark has said that its filter matches none
}

} // namespace

} // namespace microbench

int main(int argc, char **argv) { return microbench::run(std::vector<char *>(argv, argv + argc)); }
