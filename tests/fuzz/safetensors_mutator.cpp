// How libFuzzer changes a safetensors file: mostly its header's text, with the length before it put
// right again, because a wrong one ends every try at the first check.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  constexpr size_t kLengthBytes = 8;
  if (seed % 4 == 0 || size < kLengthBytes) return LLVMFuzzerMutate(data, size, max_size);
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{data[i]} << (8 * i);
  const size_t held = size - kLengthBytes;
  const size_t header_size = static_cast<size_t>(std::min<uint64_t>(length, held));
  const std::vector<uint8_t> rest(data + kLengthBytes + header_size, data + size);
  if (max_size == kLengthBytes + rest.size()) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<uint8_t> header(data + kLengthBytes, data + kLengthBytes + header_size);
  header.resize(max_size - kLengthBytes - rest.size());
  header.resize(LLVMFuzzerMutate(header.data(), header_size, header.size()));
  for (size_t i = 0; i < kLengthBytes; ++i)
    data[i] = static_cast<uint8_t>(uint64_t{header.size()} >> (8 * i));
  std::ranges::copy(header, data + kLengthBytes);
  std::ranges::copy(rest, data + kLengthBytes + header.size());
  return kLengthBytes + header.size() + rest.size();
}
