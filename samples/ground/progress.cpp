#include "ground/progress.hpp"

#include <chrono>
#include <cstdio>
#ifdef _WIN32
#include <io.h>
#define WEFT_IS_TERMINAL() (_isatty(_fileno(stderr)) != 0)
#else
#include <unistd.h>
#define WEFT_IS_TERMINAL() (isatty(fileno(stderr)) != 0)
#endif

namespace weft::ground {
namespace {

constexpr int64_t kDelay = 1'000'000'000, kInterval = 100'000'000;  // ns
constexpr uint32_t kWidth = 32;

int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace

Progress::Progress(std::string title)
    : title_(std::move(title)), started_ns_(now_ns()), enabled_(WEFT_IS_TERMINAL()) {}

Progress::~Progress() {
  if (drawn_ns_ != 0) std::fprintf(stderr, "\r\x1b[K");
}

void Progress::update(uint32_t done, uint32_t of) {
  const int64_t now = now_ns();
  if (!enabled_ || now - started_ns_ < kDelay || now - drawn_ns_ < kInterval || done == 0) return;
  drawn_ns_ = now;
  const uint32_t filled = static_cast<uint32_t>(uint64_t{kWidth} * done / of);
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  const double left = static_cast<double>(now - started_ns_) * 1e-9 * (of - done) / done;
  std::fprintf(stderr, "\r%s [%s] %u/%u, %.0f s left\x1b[K", title_.c_str(), bar.c_str(), done, of, left);
}

}  // namespace weft::ground
