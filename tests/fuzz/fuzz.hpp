// What every fuzzer has: one function that takes a file of any content.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

namespace weft::fuzz {

// Reads `input` and checks all that must hold of the answer. Whether it was accepted. The memory is
// exactly as large as the input, so that a sanitizer sees a read past it.
bool accepts(std::span<const std::byte> input);

// Ends the program, which a fuzzer reports together with the input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// Of every refusal: a message that may be shown as it is.
inline void require_presentable(const std::string& message) {
  require(!message.empty() && message.size() < 600, "a message of 1 to 599 bytes");
  for (const char c : message) require(c >= 0x20 && c < 0x7f, "a message of printable characters");
}

}  // namespace weft::fuzz
