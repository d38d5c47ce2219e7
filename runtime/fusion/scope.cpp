#include "fusion/scope.hpp"

#include "base/text.hpp"
#include "schedule/recorder_state.hpp"

namespace weft::fusion {

Scope::Scope(Recorder& recorder, const char* function, const std::string& name)
    : recorder_(recorder),
      operation_(name.empty() ? function : text(function, " (", name, ")")),
      outer_label_(recorder.state().label),
      prefix_(name.empty() ? outer_label_ : name),
      recorded_before_(recorder.state().operations.size()) {
  recorder.label(prefix_);
}

Scope::~Scope() {
  schedule::RecorderState& state = recorder_.state();
  state.label = outer_label_;
  // Where a callback ended the recording there is nothing left to take back.
  if (kept_ || state.operations.size() <= recorded_before_) return;
  state.operations.erase(state.operations.begin() + static_cast<std::ptrdiff_t>(recorded_before_),
                         state.operations.end());
}

void Scope::label(std::string_view part) const {
  recorder_.label(prefix_.empty() ? std::string(part) : text(prefix_, ".", part));
}

Result<void> Scope::ended(std::string_view part, Result<void> result) const {
  recorder_.label(prefix_);
  if (!result) result.error().message = text(operation_, ": ", part, ": ", result.error().message);
  return result;
}

}  // namespace weft::fusion
