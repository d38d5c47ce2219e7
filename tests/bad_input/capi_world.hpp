// The C ABI's rows: handles and valid structs to break.
#pragma once

#include <cstring>
#include <functional>

#include "bad_input/device_tables.hpp"
#include "weft.h"

namespace weft::test {

// A device and what was made from it, with one valid call of every kind.
struct CWorld {
  weft_device* device = nullptr;
  weft_recorder* recorder = nullptr;
  weft_program* program = nullptr;
  weft_plan* plan = nullptr;
  weft_tensor q{}, k{}, v{}, o{}, lse{}, weights{}, indices{}, angles{}, parts[4]{}, x{}, y{};
  weft_attention_call attention{};
  weft_attention_desc desc{};
  weft_attention_weights_call weights_call{};
  weft_attention_merge_call merge{};
  weft_linear_call linear{};
  weft_norm_call norm{};
  weft_add_call add{};
  weft_gather_call gather{};
  weft_multiply_call multiply{};
  weft_mix_keys_call mix_keys{};
  weft_rotary_call rotary{};

  CWorld();
  ~CWorld();
  CWorld(const CWorld&) = delete;
  CWorld& operator=(const CWorld&) = delete;

  void make(weft_tensor& tensor, weft_dtype dtype, std::vector<int64_t> shape);
  uint64_t submitted() const;
};

using CCall = std::function<weft_status(weft_error*)>;

// A row of a C function. The status and the error's code agree, and the error may be NULL.
Row c_row(const std::string& name, std::vector<std::string> says, CCall call,
          Code code = Code::invalid_argument);

// A struct whose struct_size is set.
template <class Struct>
Struct sized() {
  Struct out{};
  out.struct_size = sizeof out;
  return out;
}

// That calls of a struct refuse sizes, reserved bytes and bytes of a newer version that mean
// something.
template <class Struct>
void add_struct_rows(Rows& rows, const std::string& function, const std::string& argument,
                     const Struct& valid,
                     std::function<weft_status(const Struct*, weft_error*)> make) {
  const std::string start = function + ": ", size = argument + ".struct_size is ";
  const auto with_size = [&](uint32_t bytes) {
    Struct wrong = valid;
    wrong.struct_size = bytes;
    rows.push_back(c_row(function + " of " + std::to_string(bytes) + " bytes",
                         {start, size + std::to_string(bytes), "to 4096"},
                         [=](weft_error* e) { return make(&wrong, e); }));
  };
  with_size(0);
  with_size(7);
  with_size(4097);
  with_size(UINT32_MAX);
  rows.push_back(c_row(function + " without " + argument, {start, argument + " is NULL"},
                       [=](weft_error* e) { return make(nullptr, e); }));
  // A version with eight more bytes, of which the first is not 0.
  std::vector<uint64_t> newer((sizeof(Struct) + 7) / 8 + 1);
  const size_t extra = 8 * (newer.size() - 1);
  const auto bytes = static_cast<uint32_t>(8 * newer.size());
  std::memcpy(newer.data(), &valid, sizeof valid);
  std::memcpy(newer.data(), &bytes, sizeof bytes);
  newer.back() = 1;
  rows.push_back(c_row(
      function + " of a newer version",
      {start, argument + " uses byte " + std::to_string(extra),
       "this library knows " + std::to_string(sizeof(Struct))},
      [=](weft_error* e) { return make(reinterpret_cast<const Struct*>(newer.data()), e); },
      Code::unsupported));
}

}  // namespace weft::test
