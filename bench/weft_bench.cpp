// weft_bench: times the case lines of cases.txt with programs recorded once, beside peers on the
// same cores.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "commit.h"
#include "measured.hpp"
#include "peer_openblas.hpp"
#include "summary.hpp"
#include "weft_run.hpp"

namespace {

using namespace weft;
using bench::Measured;

struct Options {
  std::string cases_file = WEFT_BENCH_CASES;
  std::vector<std::string> lines;
  std::string device;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  bool no_check = false;
  std::vector<std::string> benchmark_arguments;
};

const char* kAbout =
    "weft_bench: times Weft on the case lines of a file, beside peers on the same cores.\n"
    "A run is submitted and waited for by the host; recording is not measured. Every result is "
    "checked first.\n"
    "Arguments that begin with --benchmark_ are Google Benchmark's: --benchmark_filter=<regex>,\n"
    "--benchmark_repetitions=<n>, --benchmark_enable_random_interleaving=true,\n"
    "--benchmark_out=<file.json>, --benchmark_min_time=<s>s, --benchmark_list_tests=true.";

// Fills the options; gives the exit code where the program ends here.
std::optional<int> parse_options(int argc, char** argv, Options& options) {
  CLI::App app(kAbout);
  app.set_version_flag("--version",
                       std::string("weft_bench " WEFT_VERSION " (commit " WEFT_COMMIT ")"));
  app.add_option("--cases", options.cases_file, "file of case lines")->capture_default_str();
  app.add_option("--case", options.lines,
                 "measure this line in place of the file's; may be repeated");
  app.add_option("--device", options.device, "part of a device's name, or its index");
  app.add_option("--threads", options.threads, "threads of the peers")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_flag("--no-check", options.no_check, "don't compare results with the fp64 reference");
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  options.benchmark_arguments = app.remaining();
  return std::nullopt;
}

Result<std::vector<cases::Case>> read_cases(const Options& options) {
  if (options.lines.empty()) return cases::read_file(options.cases_file);
  std::vector<cases::Case> all;
  for (const std::string& line : options.lines) {
    WEFT_ASSIGN(cases::Case problem, cases::parse(line));
    all.push_back(std::move(problem));
  }
  return all;
}

// Times run(), which gives "" or what went wrong, until Google Benchmark has enough.
template <class Run>
void measure(benchmark::State& state, const Measured& measured, const std::string& label, Run run) {
  // A peer's threads spin for a while after their last product: not on the next one's time.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string problem = run();
    const auto end = std::chrono::steady_clock::now();
    if (!problem.empty()) return state.SkipWithError(problem.c_str());
    state.SetIterationTime(std::chrono::duration<double>(end - begin).count());
  }
  constexpr auto kRate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * measured.work().flops, kRate);
  state.counters["GB/s"] = benchmark::Counter(1e-9 * measured.work().bytes, kRate);
  state.SetLabel(label);
}

std::string run_and_wait(const Program& program) {
  const auto ticket = program.run();
  if (!ticket) return ticket.error().message;
  const auto waited = ticket->wait();
  return waited ? "" : waited.error().message;
}

void register_weft(const std::shared_ptr<Measured>& measured, const Device& device, bool check) {
  const auto kept = std::make_shared<std::optional<bench::WeftRun>>();
  const auto function = [=](benchmark::State& state) {
    if (!*kept) {
      auto made = bench::make_weft_run(device, *measured);
      if (!made) return state.SkipWithError(made.error().message.c_str());
      std::string problem = run_and_wait(made->program);
      const auto output = made->output();
      if (problem.empty() && !output) problem = output.error().message;
      if (problem.empty() && check) problem = measured->check(*output);
      if (!problem.empty()) return state.SkipWithError(problem.c_str());
      *kept = *std::move(made);
    }
    measure(state, *measured, (*kept)->kernel, [&] { return run_and_wait((*kept)->program); });
  };
  benchmark::RegisterBenchmark("weft/" + measured->line(), function)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

void register_openblas(const std::shared_ptr<Measured>& measured, int threads, bool check) {
  if (!bench::has_openblas_peer(measured->problem())) return;
  const auto kept = std::make_shared<std::optional<bench::PeerRun>>();
  const auto function = [=](benchmark::State& state) {
    if (!*kept) {
      bench::PeerRun made = bench::make_openblas_peer(*measured, threads);
      made.run();
      const std::string problem = check ? measured->check(made.output()) : "";
      if (!problem.empty()) return state.SkipWithError(problem.c_str());
      *kept = std::move(made);
    }
    measure(state, *measured, (*kept)->label, [&] {
      (*kept)->run();
      return std::string();
    });
  };
  benchmark::RegisterBenchmark("peer_openblas/" + measured->line(), function)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

void add_context(const Device& device) {
  const DeviceTraits& traits = device.traits();
  benchmark::AddCustomContext("device", traits.name);
  benchmark::AddCustomContext("driver", traits.driver_name + " " + traits.driver_info);
  benchmark::AddCustomContext("weft", WEFT_VERSION);
  benchmark::AddCustomContext("commit", WEFT_COMMIT);
  if (const std::string peer = bench::openblas_version(); !peer.empty())
    benchmark::AddCustomContext("peer_openblas", peer);
}

int complain(const Error& error) {
  std::fprintf(stderr, "weft_bench: %s\n", error.message.c_str());
  return 1;
}

int run(const Options& options, char* name) {
  std::vector<std::string> kept = options.benchmark_arguments;
  std::vector<char*> arguments{name};
  for (std::string& argument : kept) arguments.push_back(argument.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const auto all = read_cases(options);
  if (!all) return complain(all.error());
  const auto device = Device::open({.name = options.device});
  if (!device) return complain(device.error());
  add_context(*device);
  std::vector<std::string> lines;
  for (const cases::Case& problem : *all) {
    const auto measured = std::make_shared<Measured>(problem);
    lines.push_back(measured->line());
    register_weft(measured, *device, !options.no_check);
    register_openblas(measured, options.threads, !options.no_check);
  }
  bench::Summary summary(std::move(lines));
  benchmark::RunSpecifiedBenchmarks(&summary);
  summary.print();
  benchmark::ClearRegisteredBenchmarks();
  benchmark::Shutdown();
  return summary.any_error() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (const auto code = parse_options(argc, argv, options)) return *code;
  return run(options, argv[0]);
}
