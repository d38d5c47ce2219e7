// The entry that libFuzzer calls.
#include <cstdint>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::accepts(std::as_bytes(std::span(data, size)));
  return 0;
}
