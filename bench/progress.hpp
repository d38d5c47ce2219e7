// How far a long run is: a line on the terminal that is drawn over, or else a line for each case.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace weft::bench {

class Progress {
 public:
  explicit Progress(size_t cases) : cases_(cases) {
#ifdef _WIN32
    terminal_ = _isatty(_fileno(stderr)) != 0;
#else
    terminal_ = isatty(fileno(stderr)) != 0;
#endif
  }
  ~Progress() { clear(); }

  // `part` of case `index` is done, 0 to 1.
  void update(size_t index, double part, const std::string& line) {
    const auto now = Clock::now();
    if (!terminal_ || now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    const double done = (static_cast<double>(index) + part) / static_cast<double>(cases_);
    const double spent = std::chrono::duration<double>(now - begin_).count();
    std::fprintf(stderr, "\r[%zu/%zu] %s, about %.0f s left\x1b[K", index + 1, cases_, line.c_str(),
                 spent * (1 - done) / (done > 1e-3 ? done : 1e-3));
  }
  void done(size_t index, const std::string& text) {
    if (!terminal_) std::fprintf(stderr, "[%zu/%zu] %s\n", index + 1, cases_, text.c_str());
  }

 private:
  using Clock = std::chrono::steady_clock;
  void clear() const {
    if (terminal_ && drawn_ != Clock::time_point{}) std::fprintf(stderr, "\r\x1b[K");
  }

  size_t cases_;
  bool terminal_ = false;
  Clock::time_point begin_ = Clock::now(), drawn_{};
};

}  // namespace weft::bench
