// A progress bar on the terminal's error stream; silent where that is not a terminal's.
#pragma once

#include <cstdint>
#include <string>

namespace weft::ground {

class Progress {
 public:
  // Shows nothing before a second has passed.
  explicit Progress(std::string title);
  ~Progress();  // clears the line
  void update(uint32_t done, uint32_t of);

 private:
  std::string title_;
  int64_t started_ns_;
  int64_t drawn_ns_ = 0;
  bool enabled_;
};

}  // namespace weft::ground
