#include "session.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include "progress.hpp"
#include "weft_run.hpp"

namespace weft::bench {
namespace {

using std::chrono::steady_clock;

constexpr int64_t kFewestRounds = 3;
constexpr double kShortNs = 2e7;  // runs below this are felt by caches that others have emptied

// The case that is measured now: whoever takes part, ready to run.
struct Active {
  Entry& entry;
  Measured measured;
  std::vector<Contender> contenders;
  std::vector<double> last_ns = {};               // of each contender, under its first clock
  std::shared_ptr<OperationLog> operations = {};  // Weft's
  int64_t rounds = 0;
};

class Session {
 public:
  Session(const Device& device, const std::vector<Peer>& peers, const SessionOptions& options)
      : device_(device), peers_(peers), options_(options) {}

  Result<std::vector<Entry>> run(const std::vector<SuiteLine>& lines);

 private:
  // Each iteration of a Google Benchmark is a round; it decides how many rounds a case gets, and
  // asks for more where the first were too few. All rounds count.
  void measure(benchmark::State& state, const SuiteLine& line, size_t index);
  void prepare(const SuiteLine& line, size_t index);
  void add_weft(Active& active);
  void add_peers(Active& active);
  double round(Active& active, bool keep);
  void say_done(const Entry& entry);
  Series& series(Entry& entry, const Contender& contender, Clock clock) const;

  const Device& device_;
  const std::vector<Peer>& peers_;
  const SessionOptions& options_;
  std::vector<std::optional<Entry>> entries_;
  std::unique_ptr<Active> active_;
  size_t active_index_ = SIZE_MAX;
  std::optional<Progress> progress_;

  class Reporter;
};

// Google Benchmark reports each case once when it is done.
class Session::Reporter : public benchmark::BenchmarkReporter {
 public:
  explicit Reporter(Session& session) : session_(session) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {
    if (session_.active_) session_.say_done(session_.active_->entry);
  }

 private:
  Session& session_;
};

void add_error(Entry& entry, const std::string& who, const std::string& what) {
  entry.error += (entry.error.empty() ? "" : "; ") + who + ": " + what;
}

void Session::add_weft(Active& active) {
  auto made = make_weft_run(device_, active.measured);
  if (!made) {
    if (made.error().code == Code::unsupported)
      active.entry.refused = made.error().message;
    else
      add_error(active.entry, "weft", made.error().message);
    return;
  }
  const auto ran = made->contender.run();
  const auto output = made->output();
  std::string problem;
  if (!ran) problem = ran.error().message;
  if (problem.empty() && !output) problem = output.error().message;
  if (problem.empty() && options_.check) problem = active.measured.check(*output);
  if (!problem.empty()) return add_error(active.entry, "weft", problem);
  active.entry.transient_bytes = made->transient_bytes;
  active.operations = made->operations;
  const std::string rows = made->contender.detail;
  active.contenders.push_back(std::move(made->contender));
  if (made->alone) active.contenders.push_back(std::move(*made->alone));
  if (options_.first)
    active.contenders.push_back(first_call(options_.device, active.measured.problem(), rows));
}

void Session::add_peers(Active& active) {
  for (const Peer& peer : peers_) {
    Offer offer = peer.offer(active.measured);
    if (!offer.problem.empty()) add_error(active.entry, peer.who, offer.problem);
    for (Contender& contender : offer.contenders) {
      contender.detail = peer.version + ": " + contender.detail;
      active.contenders.push_back(std::move(contender));
    }
  }
}

void Session::prepare(const SuiteLine& line, size_t index) {
  active_.reset();  // the memory of the case before
  active_index_ = index;
  Measured measured(line.problem, device_);
  Entry& entry = entries_[index].emplace();
  entry.suite = line.suite;
  entry.line = measured.line();
  entry.kind = kind_of(line.problem);
  entry.work = measured.work();
  entry.is_f32 = measured.is_f32();
  active_.reset(new Active{entry, std::move(measured), {}});
  add_weft(*active_);
  if (entry.refused.empty()) add_peers(*active_);
  round(*active_, false);  // everyone is warm, and in turn
}

Series& Session::series(Entry& entry, const Contender& contender, Clock clock) const {
  for (Series& one : entry.runs)
    if (one.who == contender.who && one.detail == contender.detail && one.clock == clock)
      return one;
  return entry.runs.emplace_back(Series{contender.who, contender.detail, clock, {}});
}

// Everyone once, a different one first each time; who is quick runs once more before that, untimed,
// and so finds caches and cores as in repeated use. Seconds, the pauses included.
double Session::round(Active& active, bool keep) {
  const size_t count = active.contenders.size();
  active.last_ns.resize(count);
  const auto begin = steady_clock::now();
  for (size_t i = 0; i < count; ++i) {
    const size_t turn = (i + static_cast<size_t>(active.rounds)) % count;
    Contender& contender = active.contenders[turn];
    if (keep && active.last_ns[turn] < kShortNs) (void)contender.run();
    const auto times = contender.run();
    if (!times) {
      add_error(active.entry, contender.who, times.error().message);
      contender.run = [] { return Result<Times>(Times{}); };  // and no more of it
      continue;
    }
    active.last_ns[turn] = times->empty() ? 0 : times->front().second;
    if (keep)
      for (const auto& [clock, ns] : *times)
        series(active.entry, contender, clock).samples_ns.push_back(ns);
    if (count > 1) std::this_thread::sleep_for(contender.settle);
  }
  if (keep) ++active.rounds;
  return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

void Session::measure(benchmark::State& state, const SuiteLine& line, size_t index) {
  if (active_index_ != index) prepare(line, index);
  Active& active = *active_;
  if (active.contenders.empty()) return state.SkipWithError("nobody computes it");
  double spent = 0;
  const auto step = [&] {
    const double seconds = std::max(round(active, true), 1e-9);
    spent += seconds;
    const double part = options_.rounds > 0 ? static_cast<double>(active.rounds) /
                                                  static_cast<double>(options_.rounds)
                                            : spent / std::max(options_.min_seconds, 1e-3);
    progress_->update(index, std::min(part, 0.99), active.entry.line);
    return seconds;
  };
  for (auto _ : state) state.SetIterationTime(step());
  while (options_.rounds == 0 && active.rounds < kFewestRounds) step();
  if (active.operations) active.entry.operations = active.operations->middle();
}

void Session::say_done(const Entry& entry) {
  std::string text = entry.line + ":";
  if (!entry.refused.empty()) text += " refused: " + entry.refused;
  for (const Series& series : entry.runs) {
    if (series.clock != Clock::wall) continue;
    char number[32];
    std::snprintf(number, sizeof number, " %.3f ms", 1e-6 * median(series.samples_ns));
    text += " " + series.who + number;
  }
  progress_->done(active_index_, text + (entry.error.empty() ? "" : " ") + entry.error);
}

Result<std::vector<Entry>> Session::run(const std::vector<SuiteLine>& lines) {
  std::vector<std::string> kept = options_.benchmark_arguments;
  std::vector<char*> arguments{const_cast<char*>("weft_bench")};
  for (std::string& argument : kept) arguments.push_back(argument.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (count > 1)
    return fail(Code::invalid_argument, "unknown argument '" + std::string(arguments[1]) + "'");
  entries_.resize(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto function = [this, &line = lines[i], i](benchmark::State& state) {
      measure(state, line, i);
    };
    auto* made = benchmark::RegisterBenchmark(
        (lines[i].suite + "/" + print(lines[i].problem)).c_str(), function);
    made->UseManualTime();
    if (options_.rounds > 0) made->Iterations(options_.rounds);
    if (options_.rounds == 0) made->MinTime(options_.min_seconds);
  }
  progress_.emplace(lines.size());
  Reporter reporter(*this);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  progress_.reset();
  benchmark::ClearRegisteredBenchmarks();
  benchmark::Shutdown();
  active_.reset();
  std::vector<Entry> results;
  for (auto& entry : entries_)
    if (entry) results.push_back(std::move(*entry));
  return results;
}

}  // namespace

Result<std::vector<Entry>> run_session(const Device& device, const std::vector<SuiteLine>& lines,
                                       const std::vector<Peer>& peers,
                                       const SessionOptions& options) {
  return Session(device, peers, options).run(lines);
}

}  // namespace weft::bench
