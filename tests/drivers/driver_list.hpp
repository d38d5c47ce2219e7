// The driver environments of drivers.json: which driver, which device it shall believe to see, and
// what its compiler's statistics are called.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "weft/error.hpp"

namespace weft::drivers {

// Ours: registers, spills (to memory), register_spills (to registers of another kind),
// scratch_bytes, occupancy, instructions, cycles, latency. To each the driver's names, which are
// summed.
using StatisticNames = std::map<std::string, std::vector<std::string>>;
// Values of statistics of ours.
using Values = std::map<std::string, double>;
// A statistic's limit for kernel rows by name; "" is every other row.
using Limits = std::map<std::string, Values>;

struct Driver {
  std::string name;    // "radv_navi31"
  std::string family;  // "radv"
  std::string about;
  std::string package;  // what brings it
  bool executes = false;
  bool on_demand = false;  // not part of the default tests
  std::vector<std::pair<std::string, std::string>> environment;
  std::string variable;  // of the environment: the one that names the device; empty: none
  std::vector<std::string> emulator;  // command in front of the program; empty: none
  std::string program;                // this program for the emulated machine
  std::string missing;                // the file that is not here; empty: it can run
  StatisticNames statistics;
  Limits most;   // of spills, register_spills and scratch_bytes; 0 where it says nothing
  Limits least;  // of occupancy: below it too little runs at once to hide latency
};

// Every device of every family, in order. `folder` is where scripts/setup_drivers.sh keeps what it made.
// Errors: invalid_argument (not readable, or not of this form).
Result<std::vector<Driver>> read_drivers(const std::string& path, const std::string& folder);

}  // namespace weft::drivers
