// What the parts of one block share while they are recorded: labels, errors that name block and
// part, and a recorder that is left as it was where a part fails.
#pragma once

#include <string>
#include <string_view>

#include "base/checks.hpp"
#include "weft/recorder.hpp"

namespace weft::fusion {

class Scope {
 public:
  // Errors begin with `function (name)`. Labels begin with `name`, or where that is empty with the
  // label that the recorder has.
  Scope(Recorder& recorder, const char* function, const std::string& name);
  // Gives the recorder its label back; removes what was recorded unless keep() was called.
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  Result<void> keep() {
    kept_ = true;
    return {};
  }

  Recorder& recorder() const { return recorder_; }
  checks::Rules rules() const { return {operation_.c_str()}; }
  // The type of what lies between the operations; f32 until it is set.
  void set_dtype(DType dtype) { dtype_ = dtype; }
  DType dtype() const { return dtype_; }
  // Transient rows [batch, length, dim].
  Tensor rows(int64_t batch, int64_t length, int64_t dim) const {
    return recorder_.transient(dtype_, {batch, length, dim});
  }
  Tensor rows_like(const Tensor& tensor) const {
    return rows(tensor.shape[0], tensor.shape[1], tensor.shape[2]);
  }

  // Records `operation(recorder, call)` with the part's label; its error names the part.
  template <class Operation, class Call>
  Result<void> part(std::string_view name, const Operation& operation, const Call& call) const {
    label(name);
    return ended(name, operation(recorder_, call));
  }

 private:
  void label(std::string_view part) const;
  Result<void> ended(std::string_view part, Result<void> result) const;

  Recorder& recorder_;
  std::string operation_;
  std::string outer_label_;
  std::string prefix_;
  size_t recorded_before_;
  DType dtype_ = DType::f32;
  bool kept_ = false;
};

}  // namespace weft::fusion
