#include "schedule/self_test.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"

namespace weft::schedule {
namespace {

constexpr const char* kPassed = "passed";
constexpr std::string_view kBegun = "begun ", kBegunAgain = "begun again ";
// Other processes may be testing the same row: only an older trial is one that never came back.
constexpr int64_t kPatienceSeconds = 60;

int64_t now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

bool is_old(std::string_view known, std::string_view beginning) {
  return now_seconds() - std::atoll(std::string(known.substr(beginning.size())).c_str()) >
         kPatienceSeconds;
}

// A trial may take the process or the device down with it. What was begun twice and never ended
// is not begun a third time.
bool has_crashed(std::string_view known) {
  return known.starts_with(kBegunAgain) && is_old(known, kBegunAgain);
}
void mark_begun(vulkan::DeviceState& device, const std::string& name, std::string_view known) {
  const bool again = known.starts_with(kBegun);
  if (known.starts_with(kBegunAgain) || (again && !is_old(known, kBegun))) return;
  vulkan::keep_note(device, name, text(again ? kBegunAgain : kBegun, now_seconds()));
}

float read(DType dtype, const std::byte* at) {
  uint16_t half = 0;
  float whole = 0;
  if (dtype == DType::f32) {
    std::memcpy(&whole, at, sizeof whole);
    return whole;
  }
  std::memcpy(&half, at, sizeof half);
  return dtype == DType::f16 ? from_f16(half) : from_bf16(half);
}

void write(DType dtype, float number, std::byte* at) {
  const auto store = [&](auto value) { std::memcpy(at, &value, sizeof value); };
  switch (dtype) {
    case DType::f32: return store(number);
    case DType::f16: return store(to_f16(number));
    case DType::bf16: return store(to_bf16(number));
    case DType::i32: return store(static_cast<int32_t>(number));
    case DType::u8: return store(static_cast<uint8_t>(number));
  }
}

// Where an element lies: "[0, 1, 7, 3]".
std::string place_of(const Dims& shape, size_t element) {
  std::string place;
  for (size_t axis = shape.rank(); axis-- > 0;) {
    const auto length = static_cast<size_t>(shape[axis]);
    place = text(element % length, place.empty() ? "" : ", ", place);
    element /= length;
  }
  return text("[", place, "]");
}

Result<std::string> compare(const Device& device, const Expected& expected) {
  const DType dtype = expected.tensor.dtype;
  std::vector<std::byte> bytes(expected.values.size() * size_bytes(dtype));
  WEFT_TRY(device.download(expected.tensor, bytes));
  size_t worst = 0;
  double worst_error = 0, worst_value = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double value = read(dtype, bytes.data() + i * size_bytes(dtype));
    if (value == expected.values[i]) continue;  // infinities too
    const double error = std::abs(value - expected.values[i]);
    if (error <= worst_error) continue;  // false for NaN
    worst = i;
    worst_error = std::isnan(error) ? HUGE_VAL : error;
    worst_value = value;
    if (std::isnan(error)) break;
  }
  if (worst_error <= expected.tolerance) return std::string();
  const std::string found = std::isnan(worst_value) ? "NaN or not written" : text(worst_value);
  return text(expected.name, place_of(expected.tensor.shape, worst), " is ", found,
              ", it should be ", expected.values[worst], " within ", expected.tolerance);
}

}  // namespace

Result<std::string> self_test(vulkan::DeviceState& device, const char* row, const Trial& trial) {
  if (vulkan::self_test(device) == vulkan::SelfTest::trust) return std::string();
  if (vulkan::self_test(device) == vulkan::SelfTest::off)
    return std::string("chosen only after its self-test, which is switched off");
  const std::string name = text("self_test ", row);
  const std::string known = vulkan::note(device, name);
  if (known == kPassed) return std::string();
  if (has_crashed(known))
    return text("its self-test was begun twice and never ended; to try it again, remove ",
                vulkan::notes_file(device));
  if (!known.empty() && !known.starts_with(kBegun)) return known;

  mark_begun(device, name, known);
  const Result<std::string> wrong = trial();
  if (!wrong && (wrong.error().code == Code::device_lost ||
                 wrong.error().code == Code::out_of_memory || wrong.error().code == Code::timeout)) {
    // Of the device it is known that it may be lost again: the mark stays.
    if (wrong.error().code != Code::device_lost) vulkan::keep_note(device, name, "");
    return std::unexpected(wrong.error());
  }
  const std::string& fault = wrong ? *wrong : wrong.error().message;
  const std::string verdict = fault.empty() ? std::string() : text("its self-test failed: ", fault);
  vulkan::keep_note(device, name, verdict.empty() ? kPassed : verdict);
  if (!verdict.empty()) vulkan::log(device, LogLevel::warning, text(row, ": ", verdict));
  return verdict;
}

std::vector<float> trial_numbers(size_t count, uint32_t seed) {
  std::vector<float> numbers(count);
  uint32_t state = seed * 2654435761u + 1;
  for (float& number : numbers) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator
    number = static_cast<float>(static_cast<int32_t>((state >> 8) % 129) - 64) / 64.0f;
  }
  return numbers;
}

Result<Tensor> trial_tensor(const Device& device, DType dtype, const Dims& shape,
                            const std::vector<float>& numbers) {
  WEFT_ASSIGN(const Tensor tensor, device.tensor(dtype, shape));
  std::vector<std::byte> bytes(numbers.size() * size_bytes(dtype));
  for (size_t i = 0; i < numbers.size(); ++i)
    write(dtype, numbers[i], bytes.data() + i * size_bytes(dtype));
  WEFT_TRY(device.upload(tensor, bytes));
  return tensor;
}

Result<Tensor> trial_output(const Device& device, DType dtype, const Dims& shape) {
  WEFT_ASSIGN(const Tensor tensor, device.tensor(dtype, shape));
  const std::vector<std::byte> ones(tensor.extent_bytes(), std::byte{0xff});  // NaN in every type
  WEFT_TRY(device.upload(tensor, ones));
  return tensor;
}

Result<std::string> run_and_compare(Recorder& recorder, std::span<const Expected> outputs) {
  WEFT_ASSIGN(const Ticket ticket, recorder.submit());
  WEFT_TRY(ticket.wait());
  for (const Expected& expected : outputs) {
    WEFT_ASSIGN(std::string wrong, compare(recorder.device(), expected));
    if (!wrong.empty()) return wrong;
  }
  return std::string();
}

}  // namespace weft::schedule
