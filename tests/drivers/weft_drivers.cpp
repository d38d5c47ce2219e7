// Runs programs, and the compile gate, on the drivers of drivers.json.
//   weft_drivers list
//   weft_drivers run lavapipe_512 -- bin/device_attention_test
//   weft_drivers gate radv_navi31                           the cases of cases.txt
//   weft_drivers gate nvk_turing --case "b1 h8 q64 k77 d64 f16"
//   weft_drivers traits nvk_turing tests/devices/nvk_turing.json
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <unistd.h>
#include <CLI/CLI.hpp>

#include "drivers/compare.hpp"
#include "drivers/fake_device.hpp"
#include "drivers/gate.hpp"
#include "drivers/modules.hpp"
#include "drivers/saved_device.hpp"
#include "info/traits_json.hpp"

using namespace weft;
using namespace weft::drivers;

namespace {

constexpr int kSkipped = 77;  // as ctest is told

struct Arguments {
  std::string source = WEFT_SOURCE_DIR;
  std::string folder = WEFT_BINARY_DIR "/drivers";
  std::string driver;
  std::vector<std::string> program;
  std::vector<std::string> files, lines;
  std::string json;
  bool all = false, here = false, without_16bit = false;
  std::string reports = WEFT_BINARY_DIR "/drivers/reports";
  std::string baseline;  // bench/results/static.json of the checkout when not given
  size_t most_lines = 60;
  bool save = false;
  std::string modules;
  std::string saved;
};

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "%s: %s\n", to_string(error.code), error.message.c_str());
  std::exit(2);
}
template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error());
  return std::move(*result);
}

void must(const Result<void>& result) {
  if (!result) give_up(result.error());
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) give_up({Code::invalid_argument, path + " can't be written"});
}

std::vector<Driver> all_drivers(const Arguments& arguments) {
  return must(read_drivers(arguments.source + "/tests/drivers/drivers.json", arguments.folder));
}

Driver find_driver(const Arguments& arguments) {
  for (Driver& driver : all_drivers(arguments))
    if (driver.name == arguments.driver) return driver;
  give_up({Code::invalid_argument,
           "no driver is called \"" + arguments.driver + "\"; see weft_drivers list"});
}

int list(const Arguments& arguments) {
  for (const Driver& driver : all_drivers(arguments))
    std::printf(
        "%-20s %-9s %-10s %s\n", driver.name.c_str(), driver.executes ? "executes" : "compiles",
        !driver.missing.empty() ? "missing" : (driver.on_demand ? "on demand" : "here"),
        (driver.missing.empty() ? driver.about : driver.missing + " (" + driver.package + ")")
            .c_str());
  return 0;
}

// Replaces this process: LD_PRELOAD counts from a program's start.
int enter(const Driver& driver, std::vector<std::string> command) {
  if (!driver.missing.empty()) {
    std::printf("%s: %s is not here; it comes from %s\n", driver.name.c_str(),
                driver.missing.c_str(), driver.package.c_str());
    return kSkipped;
  }
  std::vector<std::string> words = driver.emulator;
  for (const auto& [name, value] : driver.environment) {
    if (driver.emulator.empty()) {
      setenv(name.c_str(), value.c_str(), 1);
    } else {
      words.insert(words.end(), {"-E", name + "=" + value});
    }
  }
  words.insert(words.end(), command.begin(), command.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp(pointers[0], pointers.data());
  std::fprintf(stderr, "can't run %s: %s\n", pointers[0], std::strerror(errno));
  return 2;
}

void on_crash(int signal) {
  char text[512];
  const int length =
      std::snprintf(text, sizeof text, "the driver crashed (signal %d) at --case \"%s\"\n", signal,
                    current_line());
  if (::write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) std::_Exit(3);
  std::_Exit(3);
}

std::vector<cases::Case> chosen_cases(const Arguments& arguments) {
  std::vector<cases::Case> chosen;
  for (const std::string& line : arguments.lines) chosen.push_back(must(cases::parse(line)));
  std::vector<std::string> files = arguments.files;
  if (arguments.all)
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(arguments.source + "/tests/cases"))
      if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  if (chosen.empty() && files.empty()) files = {arguments.source + "/tests/drivers/cases.txt"};
  std::sort(files.begin(), files.end());
  for (const std::string& file : files)
    for (cases::Case& one : must(cases::read_file(file))) chosen.push_back(std::move(one));
  return chosen;
}

void print(const Report& report) {
  double seconds = 0;
  for (const Entry& entry : report.entries) {
    seconds += entry.seconds;
    for (const std::string& fault : entry.faults)
      std::printf("  %s: %s\n    --case \"%s\"\n", entry.kernel.c_str(), fault.c_str(),
                  entry.line.c_str());
  }
  for (const std::string& line : report.refused) std::printf("  refused: %s\n", line.c_str());
  std::printf("%s: %s, %s: %zu pipelines compiled in %.1f s: %s\n", report.driver.c_str(),
              report.device.c_str(), report.version.c_str(), report.entries.size(), seconds,
              report.passed() ? "passed" : "FAILED");
}

int gate_here(const Arguments& arguments, const Driver& driver) {
  std::signal(SIGSEGV, on_crash);
  std::signal(SIGABRT, on_crash);
  std::signal(SIGFPE, on_crash);
  std::signal(SIGILL, on_crash);
  const std::vector<cases::Case> chosen = chosen_cases(arguments);
  FakeDevice fake;
  must(fake.open({.without_16bit = arguments.without_16bit}));
  must(check_chip(fake.device().traits(),
                  arguments.source + "/tests/devices/" + driver.name + ".json"));
  const Report report = must(run_gate(fake.device(), driver, chosen));
  if (!arguments.json.empty()) write(arguments.json, to_json(report));
  print(report);
  return report.passed() ? 0 : 1;
}

// Not of a device as the gate opens it: that has no more than it asked for.
int traits_here(const Arguments& arguments, const Driver& driver) {
  const auto devices = must(Device::list());
  const auto found = std::ranges::find_if(devices, &DeviceInfo::usable);
  if (found == devices.end()) give_up({Code::no_device, "no device can be used"});
  const DeviceTraits& traits = found->traits;
  must(info::save_device(traits, source_of(traits, driver), arguments.saved));
  return 0;
}

// This program again, in the environment of the driver.
int here(const Arguments& arguments, int argc, char** argv,
         int (*run)(const Arguments&, const Driver&)) {
  const Driver driver = find_driver(arguments);
  if (arguments.here) return run(arguments, driver);
  const std::string program = driver.program.empty() ? argv[0] : driver.program;
  std::vector<std::string> command{program};
  command.insert(command.end(), argv + 1, argv + argc);
  command.push_back("--here");
  return enter(driver, command);
}

int modules(const Arguments& arguments) {
  for (const std::string& path : must(write_modules(arguments.modules)))
    std::printf("%s\n", path.c_str());
  return 0;
}

int compare(const Arguments& arguments) {
  const std::string path = arguments.baseline.empty()
                               ? arguments.source + "/bench/results/static.json"
                               : arguments.baseline;
  const auto now = must(read_reports(arguments.reports));
  const auto before = must(read_baseline(path));
  std::printf("%s\n%s", table(now, before).c_str(),
              differences(now, before, arguments.most_lines).c_str());
  if (!arguments.save) return 0;
  std::vector<Statistics> all = now;  // drivers that are not here keep their numbers
  for (const Statistics& old : before)
    if (std::ranges::find(all, old.driver, &Statistics::driver) == all.end()) all.push_back(old);
  std::ranges::sort(all, {}, &Statistics::driver);
  write(path, to_baseline(all));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Runs programs, and the compile gate, on the drivers of tests/drivers/drivers.json");
  app.require_subcommand(1);
  app.add_option("--source", arguments.source, "the checkout");
  app.add_option("--folder", arguments.folder, "where drivers are that no package installs");
  CLI::App* list_command = app.add_subcommand("list", "every driver, and whether it is here");
  CLI::App* run_command = app.add_subcommand("run", "runs a program on a driver");
  run_command->add_option("driver", arguments.driver)->required();
  run_command->add_option("program", arguments.program, "a program and its arguments, after --")
      ->required();
  CLI::App* gate_command = app.add_subcommand("gate", "compiles what selection chooses for cases");
  gate_command->add_option("driver", arguments.driver)->required();
  gate_command->add_option("--file", arguments.files,
                           "case files; tests/drivers/cases.txt when not given");
  gate_command->add_option("--case", arguments.lines, "case lines");
  gate_command->add_flag("--all", arguments.all, "every file of tests/cases");
  gate_command->add_flag("--without-16bit", arguments.without_16bit,
                         "as on a device without 16-bit storage");
  gate_command->add_option("--json", arguments.json, "writes what the compiler said");
  gate_command->add_flag("--here", arguments.here, "in the environment as it is");
  CLI::App* traits_command =
      app.add_subcommand("traits", "saves the device of a compiler for tests/devices");
  traits_command->add_option("driver", arguments.driver)->required();
  traits_command->add_option("file", arguments.saved)->required();
  traits_command->add_flag("--here", arguments.here, "in the environment as it is");
  CLI::App* compare_command =
      app.add_subcommand("compare", "the gates' reports beside the committed ones");
  compare_command->add_option("--reports", arguments.reports, "a folder of what gate --json wrote");
  compare_command->add_option("--baseline", arguments.baseline,
                              "bench/results/static.json when not given");
  compare_command->add_option("--most-lines", arguments.most_lines, "differences to list");
  compare_command->add_flag("--save", arguments.save, "makes them the baseline");
  CLI::App* modules_command = app.add_subcommand("modules", "writes every SPIR-V module");
  modules_command->add_option("folder", arguments.modules)->required();
  CLI11_PARSE(app, argc, argv);
  if (list_command->parsed()) return list(arguments);
  if (run_command->parsed()) return enter(find_driver(arguments), arguments.program);
  if (modules_command->parsed()) return modules(arguments);
  if (compare_command->parsed()) return compare(arguments);
  return here(arguments, argc, argv, traits_command->parsed() ? traits_here : gate_here);
}
