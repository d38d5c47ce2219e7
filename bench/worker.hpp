// A program of ours in another process that answers one line of JSON with another.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weft/error.hpp"

namespace weft::bench {

class Worker {
 public:
  // Starts `command`. Errors: unsupported (no processes on this system), invalid_argument.
  static Result<std::shared_ptr<Worker>> start(const std::vector<std::string>& command);
  // Tells it to quit, and waits until it has.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Its answer. Errors: internal: it has ended, said something else, or an "error" of its own.
  Result<nlohmann::json> ask(const nlohmann::json& question);

 private:
  Worker() = default;
  struct Process;
  std::unique_ptr<Process> process_;
};

}  // namespace weft::bench
