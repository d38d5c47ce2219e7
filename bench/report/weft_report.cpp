// weft_report: one page from the files of weft_bench.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "page.hpp"
#include "reading.hpp"
#include "weft/version.hpp"

namespace {

using namespace weft;
using namespace weft::report;

constexpr int kBadInput = 2;
constexpr int kRegression = 3;

struct Options {
  std::vector<std::string> files;
  std::string output = "report.html";
  std::string compilers;
  bool regression = false;
  bool fail_on_regression = false;
  double threshold_percent = kDefaultThreshold * 100;
};

const char* kAbout =
    "weft_report: makes one HTML page from files of weft_bench, a device each, side by side.\n"
    "Two files of one device and driver (or any two with --regression) are compared: the first is\n"
    "the old one. Exit codes: 0 done, 2 a file is wrong, 3 a regression with --fail-on-regression.";

void add_options(CLI::App& app, Options& options) {
  app.set_version_flag("--version", "weft_report " WEFT_VERSION);
  app.add_option("files", options.files, "what weft_bench wrote")->required();
  app.add_option("-o,--output", options.output, "the page")->capture_default_str();
  app.add_option("--static", options.compilers, "what compilers said: the driver gate's file");
  app.add_flag("--regression", options.regression, "compare the two files, whatever their device");
  app.add_flag("--fail-on-regression", options.fail_on_regression,
               "exit with 3 where a case is significantly slower or broken");
  app.add_option("--threshold", options.threshold_percent,
                 "percent that a median must move to count")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1000.0));
}

Result<Report> read_all(const Options& options) {
  Report report;
  for (const std::string& path : options.files) {
    WEFT_ASSIGN(Measurement device, read_measurement(path));
    report.devices.push_back(std::move(device));
  }
  if (!options.compilers.empty()) {
    WEFT_ASSIGN(report.compilers, read_compilers(options.compilers));
  }
  const bool pair = report.devices.size() == 2;
  const bool asked = options.regression || options.fail_on_regression;
  if (asked && !pair) {
    return fail(Code::invalid_argument, "a regression needs exactly two files, found " +
                                            std::to_string(report.devices.size()));
  }
  if (asked || (pair && same_device(report.devices[0], report.devices[1]))) {
    report.changes = compare(report.devices[0], report.devices[1], options.threshold_percent / 100);
  }
  return report;
}

Result<> write(const std::string& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) return fail(Code::invalid_argument, path + ": cannot be written");
  return {};
}

void print_changes(const Comparison& changes) {
  for (const Change& change : changes.changes) {
    if (change.verdict == Verdict::same || change.verdict == Verdict::untested) continue;
    std::printf("%s: %s %s", to_string(change.verdict), change.line.c_str(), change.clock.c_str());
    if (change.after_ns > 0) {
      std::printf(" %s -> %s", show_time(change.before_ns).c_str(),
                  show_time(change.after_ns).c_str());
    }
    std::printf(" %s\n", change.note.c_str());
  }
}

Result<int> run(const Options& options) {
  WEFT_ASSIGN(const Report report, read_all(options));
  WEFT_TRY(write(options.output, make_page(report)));
  std::printf("%s: %s\n", options.output.c_str(),
              show_count(report.devices.size(), "device file").c_str());
  if (!report.changes) return 0;
  print_changes(*report.changes);
  return options.fail_on_regression && has_regression(*report.changes) ? kRegression : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout);
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  const Result<int> code = run(options);
  if (code.has_value()) return *code;
  std::fprintf(stderr, "weft_report: %s\n", code.error().message.c_str());
  return kBadInput;
}
