#include "device/fixture.hpp"

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

uint64_t& messages_of_closed() {
  static uint64_t messages = 0;
  return messages;
}

}  // namespace

Selection& selection() {
  static Selection chosen;
  return chosen;
}

bool has_turn(size_t line, size_t row, size_t rows) {
  constexpr size_t kTurns = 6;
  const Selection& chosen = selection();
  return chosen.all_rows || !chosen.kernel.empty() || !chosen.case_line.empty() ||
         row + 1 == rows || (line + row) % kTurns == 0;
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
  options.self_test = "trust";  // every row is tested here anyway
  options.validation = true;
  options.log = [](LogLevel level, std::string_view text) {
    if (level == LogLevel::error)
      std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
  };
  open_devices().push_back({kind, must(Device::open(options))});
  return open_devices().back().device;
}

uint64_t validation_messages() {
  uint64_t messages = messages_of_closed();
  for (const OpenDevice& open : open_devices()) {
    (void)open.device.wait_idle();
    messages += open.device.validation_messages();
  }
  return messages;
}

void close_devices() {
  messages_of_closed() = validation_messages();
  open_devices().clear();
}

Result<TwoRuns> run_twice(const Device& device, Recorder& recorder,
                          const std::vector<Tensor>& outputs,
                          const std::vector<std::byte>& first_holds) {
  WEFT_ASSIGN(const Program program, recorder.finish());
  TwoRuns runs{.same = true};
  for (int turn = 0; turn < 2; ++turn) {
    WEFT_ASSIGN(const Ticket ticket, program.run());
    WEFT_TRY(ticket.wait());
    for (size_t i = 0; i < outputs.size(); ++i) {
      WEFT_ASSIGN(std::vector<std::byte> bytes, cases::buffer_bytes(device, outputs[i]));
      if (turn == 0)
        runs.first.push_back(std::move(bytes));
      else
        runs.same = runs.same && bytes == runs.first[i];
      if (turn > 0) continue;
      if (i == 0 && !first_holds.empty())
        WEFT_TRY(cases::hold_again(device, outputs[i], first_holds));
      else
        WEFT_TRY(cases::poison_again(device, outputs[i]));
    }
  }
  return runs;
}

}  // namespace weft::test
