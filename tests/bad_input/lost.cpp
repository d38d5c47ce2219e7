// Every function after the device was lost. The driver can't be asked to lose one: its mark in
// DeviceState is set.
#include "bad_input/device_tables.hpp"
#include "vulkan/device_state.hpp"
#include "weft.h"
#include "weft/vulkan.h"

// After weft.h, which the handles belong to.
#include "capi/boundary.hpp"

namespace weft::test {
namespace {

// Everything made and used while the device was there.
struct Lost {
  Device device = must(Device::open());
  Tensor x = make({8, 8}), y = make({8, 8}), weights = make({1, 1, 4, 4});
  Tensor indices = must(device.tensor(DType::i32, {8}));
  AttentionCall call{.query = make({1, 1, 4, 8}),
                     .key = make({1, 1, 4, 8}),
                     .value = make({1, 1, 4, 8}),
                     .output = make({1, 1, 4, 8}),
                     .logsumexp = make({1, 1, 4})};
  Attention plan = must(Attention::plan(device, must(describe(call))));
  Recorder recorder{device}, fresh{device};
  Program program = must(Recorder(device).finish({.timestamps = true}));
  Ticket ticket;

  Lost();
  Tensor make(const Dims& shape) const { return must(device.tensor(DType::f32, shape)); }
};

Lost::Lost() {
  must(add(recorder, {.left = x, .right = x, .output = y}));
  must(attention(fresh, call));
  ticket = must(fresh.submit());
  must(ticket.wait());
  must(must(program.run()).wait());
  must(device.upload(x, std::vector<float>(64)));
  must(device.download<float>(x));
  must(device.wait_idle());
  must(device.save_pipeline_cache());
  must(wrap_address(device, x.buffer.device_address(), 256));
  device.state()->lost = true;
}

Row lost_row(const char* name, const char* operation, std::function<Result<void>()> call) {
  return {name,
          {std::string(operation) + ": ", "the device is lost"},
          std::move(call),
          Code::device_lost};
}

Rows memory_rows(const Lost& l) {
  return {
      lost_row("buffer", "buffer of 64 bytes", [&] { return outcome(l.device.buffer(64)); }),
      lost_row("tensor", "buffer of 16 bytes",
               [&] { return outcome(l.device.tensor(DType::f32, {4})); }),
      lost_row("upload", "upload", [&] { return l.device.upload(l.x, std::vector<float>(64)); }),
      lost_row("download", "download", [&] { return outcome(l.device.download<float>(l.x)); }),
      lost_row("wait_idle", "wait", [&] { return l.device.wait_idle(); }),
      lost_row("save_pipeline_cache", "pipeline cache",
               [&] { return l.device.save_pipeline_cache(); }),
      lost_row("wrap_address", "wrap_address",
               [&] { return outcome(wrap_address(l.device, l.x.buffer.device_address(), 256)); }),
      lost_row("wrap_buffer", "wrap_buffer",
               [&] { return outcome(wrap_buffer(l.device, vulkan_buffer(l.x.buffer))); }),
  };
}

Rows operation_rows(Lost& l) {
  return {
      lost_row("plan, made before", "attention",
               [&] { return outcome(Attention::plan(l.device, {.head_dim = 8})); }),
      lost_row("plan, new", "attention",
               [&] { return outcome(Attention::plan(l.device, {.head_dim = 12})); }),
      lost_row("record", "attention", [&] { return l.plan.record(l.fresh, l.call); }),
      lost_row("attention, planned before", "attention",
               [&] { return attention(l.fresh, l.call); }),
      lost_row("attention, new", "pipeline",
               [&] {
                 AttentionCall call = l.call;
                 call.causal = true;
                 return attention(l.fresh, call);
               }),
      lost_row(
          "attention_weights", "pipeline",
          [&] { return attention_weights(l.fresh, {.attention = l.call, .weights = l.weights}); }),
      lost_row("attention_merge", "pipeline",
               [&] {
                 const AttentionPart part{l.call.key, l.call.logsumexp};
                 return attention_merge(l.fresh,
                                        {.left = part, .right = part, .output = l.call.output});
               }),
      lost_row("linear", "pipeline",
               [&] { return linear(l.fresh, {.input = l.x, .weight = l.x, .output = l.y}); }),
      lost_row("layer_norm", "pipeline",
               [&] { return layer_norm(l.fresh, {.input = l.x, .output = l.y}); }),
      lost_row("rms_norm", "pipeline",
               [&] { return rms_norm(l.fresh, {.input = l.x, .output = l.y}); }),
      lost_row("add, used before", "add",
               [&] { return add(l.fresh, {.left = l.x, .right = l.x, .output = l.y}); }),
      lost_row(
          "gather", "pipeline",
          [&] { return gather(l.fresh, {.table = l.x, .indices = l.indices, .output = l.y}); }),
  };
}

Rows program_rows(Lost& l) {
  const auto never_used = reinterpret_cast<VkCommandBuffer>(&l);  // not null, and not looked at
  return {
      lost_row("submit", "program", [&] { return outcome(l.recorder.submit()); }),
      lost_row("submit between semaphores", "program",
               [&] { return outcome(submit(l.fresh, {}, {})); }),
      lost_row("finish", "program", [&] { return outcome(l.fresh.finish()); }),
      lost_row("record_into", "program",
               [&l, never_used] { return outcome(record_into(l.fresh, never_used)); }),
      lost_row("run", "submit", [&] { return outcome(l.program.run()); }),
      lost_row("run between semaphores", "submit", [&] { return outcome(run(l.program, {}, {})); }),
      lost_row("times", "wait", [&] { return outcome(l.program.times()); }),
      lost_row("wait", "wait", [&] { return l.ticket.wait(); }),
  };
}

// The same in C, through handles.
Rows c_rows(weft_device* device, weft_buffer* buffer) {
  const auto row = [](const char* name, const char* operation,
                      std::function<weft_status(weft_error*)> call) {
    return lost_row(name, operation, [call = std::move(call)]() -> Result<void> {
      weft_error error{};
      const weft_status status = call(&error);
      if (status == WEFT_OK) return {};
      return fail(static_cast<Code>(status), error.message);
    });
  };
  weft_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  tensor.buffer = buffer;
  tensor.rank = 1;
  tensor.shape[0] = 4;
  return {
      row("weft_buffer_create", "buffer of 8 bytes",
          [=](weft_error* e) {
            weft_buffer* made = nullptr;
            return weft_buffer_create(device, 8, WEFT_MEMORY_DEVICE, &made, e);
          }),
      row("weft_upload", "upload",
          [=](weft_error* e) {
            const float data[4] = {};
            return weft_upload(device, &tensor, data, sizeof data, e);
          }),
      row("weft_download", "download",
          [=](weft_error* e) {
            float data[4];
            return weft_download(device, &tensor, data, sizeof data, e);
          }),
      row("weft_wait", "wait", [=](weft_error* e) { return weft_wait(device, 0, 0, e); }),
      row("weft_device_wait_idle", "wait",
          [=](weft_error* e) { return weft_device_wait_idle(device, e); }),
      row("weft_plan_create", "attention",
          [=](weft_error* e) {
            weft_attention_desc desc{};
            desc.struct_size = sizeof desc;
            desc.head_dim = 8;
            weft_plan* plan = nullptr;
            return weft_plan_create(device, &desc, &plan, e);
          }),
      row("weft_recorder_submit", "program",
          [=](weft_error* e) {
            weft_recorder* recorder = nullptr;
            if (weft_recorder_create(device, &recorder, nullptr) != WEFT_OK)
              return weft_status{WEFT_OK};
            const weft_status status = weft_recorder_submit(recorder, nullptr, e);
            weft_recorder_release(recorder);
            return status;
          }),
  };
}

}  // namespace

size_t check_lost() {
  Lost lost;
  const auto work = [&] { return lost.device.state()->submitted; };
  size_t rows = check_rows("memory of a lost device", memory_rows(lost), work) +
                check_rows("operations on a lost device", operation_rows(lost), work) +
                check_rows("programs of a lost device", program_rows(lost), work);
  CHECK(lost.ticket.done());  // a wait for it would not end otherwise

  weft_device* device = nullptr;
  weft_buffer* buffer = nullptr;
  REQUIRE(weft_device_open(nullptr, &device, nullptr) == WEFT_OK);
  REQUIRE(weft_buffer_create(device, 16, WEFT_MEMORY_DEVICE, &buffer, nullptr) == WEFT_OK);
  device->device.state()->lost = true;
  rows += check_rows("a lost device in C", c_rows(device, buffer));
  CHECK(weft_done(device, UINT64_MAX) == 1);
  weft_buffer_release(buffer);
  weft_device_release(device);
  return rows;
}

}  // namespace weft::test
