// Recorders, programs, tickets and times in C.
#include "capi/structs.hpp"

using namespace weft;
using namespace weft::capi;

struct weft_program : Handle {
  Program program;
  std::string device_name;
};
struct weft_times : Handle {
  std::vector<OperationTime> times;
  std::string device_name;
};

weft_status weft_recorder_create(const weft_device* device, weft_recorder** recorder,
                                 weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "recorder", recorder));
    WEFT_TRY(function.given("device", device));
    return make(function, device->allocator, recorder, Recorder(device->device));
  });
}

void weft_recorder_release(weft_recorder* recorder) { release(recorder); }

weft_status weft_recorder_label(weft_recorder* recorder, const char* name, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    recorder->recorder.label(name ? name : "");
    return {};
  });
}

weft_status weft_recorder_transient(weft_recorder* recorder, weft_dtype dtype, uint32_t rank,
                                    const int64_t* shape, weft_tensor* tensor, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "tensor", tensor));
    write(weft_tensor{}, tensor);
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_ASSIGN(const DType type, read_dtype(function, "dtype", dtype));
    WEFT_ASSIGN(const Dims dims, read_shape(function, "shape", rank, shape));
    return write_tensor(function, recorder->allocator, recorder->recorder.transient(type, dims),
                        tensor);
  });
}

int32_t weft_done(const weft_device* device, weft_ticket ticket) {
  return !device || Ticket(device->device.state(), ticket).done();
}

weft_status weft_wait(const weft_device* device, weft_ticket ticket, uint64_t timeout_ns,
                      weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    return Ticket(device->device.state(), ticket).wait(timeout_ns);
  });
}

weft_status weft_recorder_submit(weft_recorder* recorder, weft_ticket* ticket, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    if (ticket) *ticket = 0;
    WEFT_TRY(check_not_lent(function, recorder));
    WEFT_ASSIGN(const Ticket submitted, recorder->recorder.submit());
    if (ticket) *ticket = submitted.value();
    return {};
  });
}

weft_status weft_recorder_finish(weft_recorder* recorder, const weft_program_options* options,
                                 weft_program** program, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "program", program));
    WEFT_TRY(check_not_lent(function, recorder));
    ProgramOptions chosen;
    if (options) {
      WEFT_ASSIGN(const weft_program_options given, read(function, "options", options));
      chosen.timestamps = (given.flags & WEFT_PROGRAM_TIMESTAMPS) != 0;
    }
    std::string device_name = recorder->recorder.device().traits().name;
    WEFT_ASSIGN(Program finished, recorder->recorder.finish(chosen));
    return make(function, recorder->allocator, program, std::move(finished),
                std::move(device_name));
  });
}

weft_program* weft_program_retain(weft_program* program) { return retain(program); }
void weft_program_release(weft_program* program) { release(program); }

weft_status weft_program_run(const weft_program* program, weft_ticket* ticket, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    if (ticket) *ticket = 0;
    WEFT_TRY(function.given("program", program));
    WEFT_ASSIGN(const Ticket submitted, program->program.run());
    if (ticket) *ticket = submitted.value();
    return {};
  });
}

weft_status weft_program_stats(const weft_program* program, weft_stats* stats, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("program", program));
    WEFT_TRY(begin_output(function, "stats", stats));
    const ProgramStats& from = program->program.stats();
    weft_stats to{};
    to.operations = from.operations;
    to.barriers = from.barriers;
    to.submissions = from.submissions;
    to.transient_bytes = from.transient_bytes;
    to.transient_bytes_summed = from.transient_bytes_summed;
    write(to, stats);
    return {};
  });
}

weft_status weft_program_times(const weft_program* program, weft_times** times, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "times", times));
    WEFT_TRY(function.given("program", program));
    WEFT_ASSIGN(std::vector<OperationTime> measured, program->program.times());
    std::string device_name = program->device_name;
    return make(function, program->allocator, times, std::move(measured), std::move(device_name));
  });
}

uint32_t weft_times_count(const weft_times* times) {
  return times ? static_cast<uint32_t>(times->times.size()) : 0;
}

weft_status weft_times_get(const weft_times* times, uint32_t index, weft_operation_time* time,
                           weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("times", times));
    WEFT_TRY(begin_output(function, "time", time));
    if (index >= times->times.size())
      return function.broken("index is ", index, "; there are ", times->times.size(),
                             " operations");
    const OperationTime& from = times->times[index];
    weft_operation_time to{};
    to.name = from.name.c_str();
    to.kernel = from.kernel.c_str();
    to.begin_ns = from.begin_ns;
    to.end_ns = from.end_ns;
    to.flops = from.flops;
    to.bytes = from.bytes;
    write(to, time);
    return {};
  });
}

weft_status weft_times_trace(const weft_times* times, char** json, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "json", json));
    WEFT_TRY(function.given("times", times));
    return make_text(function, times->allocator, chrome_trace(times->times, times->device_name),
                     json);
  });
}

void weft_times_release(weft_times* times) { release(times); }
