// weft_bench: times Weft on case lines, beside whoever else computes them here.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "commit.h"
#include "peers.hpp"
#include "results.hpp"
#include "session.hpp"
#include "variables.hpp"

namespace {

using namespace weft;

// Whom --peers may name; those in Python have options of their own.
constexpr std::array kPeers{"openblas", "ggml_cpu", "ggml_vulkan"};

struct Options {
  std::vector<std::string> suites, lines, files;
  std::string json, pytorch, ncnn;
  std::vector<std::string> peers{kPeers.begin(), kPeers.end()};
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  bool list = false, append = false, no_check = false, no_peaks = false, scaling = false;
  bench::SessionOptions session;
  std::vector<std::string> arguments;  // as given
};

const char* kAbout =
    "weft_bench: times Weft on case lines, beside whoever else computes them here.\n"
    "A round runs everyone once; medians count. Every result is checked before it is timed.\n"
    "Arguments that begin with --benchmark_ are Google Benchmark's: --benchmark_filter=<regex>.\n"
    "bench/README.md says more.";

void add_options(CLI::App& app, Options& options) {
  app.set_version_flag("--version",
                       std::string("weft_bench " WEFT_VERSION " (commit " WEFT_COMMIT ")"));
  app.add_option("--suite", options.suites,
                 "a named suite, may be repeated; targets if nothing else")
      ->allow_extra_args(false);
  app.add_option("--case", options.lines, "a case line, may be repeated")->allow_extra_args(false);
  app.add_option("--cases", options.files, "a file of case lines, may be repeated")
      ->allow_extra_args(false);
  app.add_flag("--list", options.list, "list the suites, or the cases of those that are named");
  app.add_option("--device", options.session.device, "part of a device's name, or its index");
  app.add_option("--json", options.json, "write the results, all samples included, to this file");
  app.add_flag("--append", options.append, "keep the cases that this file has already")
      ->needs("--json");
  app.add_option("--min-time", options.session.min_seconds, "seconds of rounds for each case")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option("--rounds", options.session.rounds, "so many rounds for each case instead")
      ->check(CLI::Range(1, 1000000));
  std::vector<std::string> peers{kPeers.begin(), kPeers.end()};
  peers.push_back("none");
  app.add_option("--peers", options.peers, "whom to measure beside Weft, if built in; or none")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::IsMember(peers));
  app.add_option("--pytorch", options.pytorch, "a Python that has PyTorch, to be a peer");
  app.add_option("--ncnn", options.ncnn, "a Python that has ncnn, to be a peer");
  app.add_option("--threads", options.threads, "threads of peers on the CPU")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_flag("--no-check", options.no_check, "don't compare Weft's results with the reference");
  app.add_flag("--no-peaks", options.no_peaks, "don't measure the device's ceilings");
  app.add_flag("--scaling", options.scaling, "measure how time and memory grow, too");
  app.add_flag("--first", options.session.first,
               "measure first calls, too: all caches off, a device opened for each");
  app.allow_extras();
}

// Fills the options; gives the exit code where the program ends here.
std::optional<int> parse_options(int argc, char** argv, Options& options) {
  CLI::App app(kAbout);
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  options.session.benchmark_arguments = app.remaining();
  options.session.check = !options.no_check;
  options.arguments.assign(argv + 1, argv + argc);
  return std::nullopt;
}

Result<std::vector<bench::SuiteLine>> read_lines(const Options& options) {
  std::vector<bench::SuiteLine> all;
  std::vector<std::string> suites = options.suites;
  if (suites.empty() && options.lines.empty() && options.files.empty() && !options.scaling)
    suites = {"targets"};
  for (const std::string& name : suites) {
    WEFT_ASSIGN(const auto lines, bench::read_suite(WEFT_BENCH_SUITES, name));
    all.insert(all.end(), lines.begin(), lines.end());
  }
  for (const std::string& path : options.files) {
    WEFT_ASSIGN(const auto problems, bench::read_file(path));
    for (const bench::Problem& problem : problems) all.push_back({"file", problem});
  }
  for (const std::string& line : options.lines) {
    WEFT_ASSIGN(const bench::Problem problem, bench::parse(line));
    all.push_back({"line", problem});
  }
  return all;
}

int list(const Options& options) {
  for (const std::string& name :
       options.suites.empty() ? bench::suite_names(WEFT_BENCH_SUITES) : options.suites) {
    const auto lines = bench::read_suite(WEFT_BENCH_SUITES, name);
    if (!lines) {
      std::fprintf(stderr, "weft_bench: %s\n", lines.error().message.c_str());
      return 1;
    }
    std::printf("%-16s %s\n", name.c_str(), bench::suite_about(WEFT_BENCH_SUITES, name).c_str());
    if (options.suites.empty()) continue;
    for (const auto& line : *lines) std::printf("  %s\n", bench::print(line.problem).c_str());
  }
  return 0;
}

uint32_t index_of(const DeviceTraits& traits) {
  const auto devices = Device::list();
  if (!devices) return 0;
  for (uint32_t i = 0; i < devices->size(); ++i)
    if ((*devices)[i].traits.name == traits.name) return i;
  return 0;
}

std::vector<bench::Peer> find_peers(const Options& options, const DeviceTraits& traits) {
  std::vector<bench::Peer> all;
  const auto wanted = [&](const std::string& who) {
    return std::ranges::find(options.peers, who) != options.peers.end();
  };
  if (wanted("openblas"))
    if (auto peer = bench::openblas_peer(options.threads)) all.push_back(*peer);
  if (wanted("ggml_cpu") || wanted("ggml_vulkan"))
    for (bench::Peer& peer : bench::ggml_peers(options.threads, index_of(traits), traits))
      if (wanted(peer.who)) all.push_back(std::move(peer));
  const std::string scripts = WEFT_BENCH_PEERS;
  const auto add = [&](const char* who, const std::string& python, const char* script) {
    if (python.empty()) return;
    auto peer = bench::worker_peer(who, python, scripts + script, options.threads, traits);
    if (peer) return all.push_back(*std::move(peer));
    std::fprintf(stderr, "weft_bench: goes on without %s: %s\n", who, peer.error().message.c_str());
  };
  add("pytorch", options.pytorch, "/pytorch_peer.py");
  add("ncnn_vulkan", options.ncnn, "/ncnn_peer.py");
  for (const bench::Peer& peer : all)
    std::printf("peer %s: %s\n", peer.who.c_str(), peer.version.c_str());
  return all;
}

// Ceilings once more: what else a machine does only ever lowers them.
Result<void> raise_ceilings(bench::Results& results) {
  WEFT_ASSIGN(const auto again, bench::measure_ceilings(results.traits));
  if (results.ceilings.empty()) results.ceilings = again;
  for (bench::Ceiling& one : results.ceilings)
    for (const bench::Ceiling& other : again)
      if (other.id == one.id && other.value > one.value) one = other;
  return {};
}

Result<bench::Results> measure(const Options& options, const Device& device,
                               const std::vector<bench::SuiteLine>& lines) {
  bench::Results results{.traits = device.traits(), .arguments = options.arguments};
  std::printf("%s, %s %s\n", results.traits.name.c_str(), results.traits.driver_name.c_str(),
              results.traits.driver_info.c_str());
  if (!options.no_peaks) WEFT_TRY(raise_ceilings(results));
  if (!lines.empty()) {
    const auto peers = find_peers(options, results.traits);
    WEFT_ASSIGN(results.entries, bench::run_session(device, lines, peers, options.session));
  }
  if (options.scaling) {
    WEFT_ASSIGN(results.scaling, bench::measure_scaling(device));
  }
  if (!options.no_peaks) WEFT_TRY(raise_ceilings(results));
  return results;
}

int complain(const Error& error) {
  std::fprintf(stderr, "weft_bench: %s\n", error.message.c_str());
  return 1;
}

int run(const Options& options) {
  const auto lines = read_lines(options);
  if (!lines) return complain(lines.error());
  if (options.session.first) bench::turn_caches_off();
  const auto device = Device::open({.name = options.session.device});
  if (!device) return complain(device.error());
  if (options.append)  // before hours of measuring
    if (const auto fits = bench::check_append(device->traits(), options.json); !fits)
      return complain(fits.error());
  const auto results = measure(options, *device, *lines);
  if (!results) return complain(results.error());
  print_table(*results);
  if (!options.json.empty())
    if (const auto written = write_json(*results, options.json, options.append); !written)
      return complain(written.error());
  return std::ranges::any_of(results->entries, [](const auto& e) { return !e.error.empty(); });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (const auto code = parse_options(argc, argv, options)) return *code;
  return options.list ? list(options) : run(options);
}
