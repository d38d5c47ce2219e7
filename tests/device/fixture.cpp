#include "device/fixture.hpp"

#include <algorithm>
#include <cstdio>
#include <list>

namespace weft::test {
namespace {

struct OpenDevice {
  DeviceKind kind;
  Device device;
};

// A list: devices keep their addresses.
std::list<OpenDevice>& open_devices() {
  static std::list<OpenDevice> devices;
  return devices;
}

Tensor all_bytes(const Tensor& tensor) {
  const auto size = static_cast<int64_t>(tensor.buffer.size_bytes());
  return {.buffer = tensor.buffer, .offset_bytes = 0, .dtype = DType::u8, .shape = {size}, .strides = {1}};
}

}  // namespace

Selection& selection() {
  static Selection chosen;
  return chosen;
}

std::vector<cases::Case> cases_of(const std::string& file) {
  if (!selection().case_line.empty()) return {must(cases::parse(selection().case_line))};
  return must(cases::read_file(std::string(WEFT_SOURCE_DIR "/tests/cases/") + file));
}

const Device& device(const DeviceKind& kind) {
  for (const OpenDevice& open : open_devices())
    if (open.kind == kind) return open.device;
  DeviceOptions options;
  options.kernel = kind.kernel;
  options.without_16bit = kind.without_16bit;
  options.without_direct_access = kind.without_direct_access;
  options.validation = true;
  options.log = [](LogLevel level, std::string_view text) {
    if (level == LogLevel::error) std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
  };
  open_devices().push_back({kind, must(Device::open(options))});
  return open_devices().back().device;
}

uint64_t validation_messages() {
  uint64_t messages = 0;
  for (const OpenDevice& open : open_devices()) {
    (void)open.device.wait_idle();
    messages += open.device.validation_messages();
  }
  return messages;
}

void close_devices() { open_devices().clear(); }

Result<Tensor> upload(const Device& device, const std::vector<std::byte>& bytes,
                      const cases::Placement& placement) {
  Tensor tensor{.offset_bytes = placement.offset_bytes,
                .dtype = placement.dtype,
                .shape = placement.shape,
                .strides = placement.strides};
  WEFT_ASSIGN(tensor.buffer, device.buffer(bytes.size()));
  WEFT_TRY(device.upload(all_bytes(tensor), bytes));
  return tensor;
}

Result<Tensor> upload(const Device& device, const reference::Array& values, const cases::Placement& placement) {
  return upload(device, cases::encode(values, placement), placement);
}

Result<Tensor> upload(const Device& device, const cases::Operand& operand) {
  return upload(device, operand.values, operand.placement);
}

Result<Tensor> poisoned(const Device& device, const cases::Placement& placement) {
  return upload(device, std::vector<std::byte>(placement.buffer_bytes, cases::kGuardByte), placement);
}

Result<void> poison_again(const Device& device, const Tensor& tensor) {
  return device.upload(all_bytes(tensor),
                       std::vector<std::byte>(tensor.buffer.size_bytes(), cases::kGuardByte));
}

Result<std::vector<std::byte>> buffer_bytes(const Device& device, const Tensor& tensor) {
  return device.download<std::byte>(all_bytes(tensor));
}

Result<TwoRuns> run_twice(const Device& device, Recorder& recorder, const std::vector<Tensor>& outputs) {
  WEFT_ASSIGN(const Program program, recorder.finish());
  TwoRuns runs{.same = true};
  for (int turn = 0; turn < 2; ++turn) {
    WEFT_ASSIGN(const Ticket ticket, program.run());
    WEFT_TRY(ticket.wait());
    for (size_t i = 0; i < outputs.size(); ++i) {
      WEFT_ASSIGN(std::vector<std::byte> bytes, buffer_bytes(device, outputs[i]));
      if (turn == 0) runs.first.push_back(std::move(bytes));
      else runs.same = runs.same && bytes == runs.first[i];
      if (turn == 0) WEFT_TRY(poison_again(device, outputs[i]));
    }
  }
  return runs;
}

}  // namespace weft::test
