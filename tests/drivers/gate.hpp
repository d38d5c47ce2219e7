// The compile gate: records cases as an app would on a device that may be fake, keeps what the
// driver's compiler says of every pipeline that selection asks for, and judges it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "drivers/capture.hpp"
#include "drivers/driver_list.hpp"
#include "reference/case_line.hpp"
#include "weft/device.hpp"

namespace weft::drivers {

// One pipeline, under the name of the first case that asked for it.
struct Entry {
  std::string kernel;
  std::string line;
  double seconds = 0;  // that the driver took
  Values statistics;  // by our names; the worst of its executables
  std::vector<std::string> faults;
};

struct Report {
  std::string driver;
  std::string device;  // as the driver calls it
  std::string version;
  std::vector<Entry> entries;
  std::vector<std::string> refused;  // cases that Weft refused there, with the reason
  bool passed() const;
};

// Errors: no_device, unsupported.
Result<Report> run_gate(const Device& device, const Driver& driver,
                        std::span<const cases::Case> cases);

// The case in work, for the message of a driver that crashes.
const char* current_line() noexcept;

std::string to_json(const Report& report);

}  // namespace weft::drivers
