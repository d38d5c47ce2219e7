// Recorders, transient tensors, programs, tickets and times.
#include "weft/recorder.hpp"

#include "bad_input/device_tables.hpp"
#include "vulkan/device_state.hpp"

namespace weft::test {
namespace {

Tensor f32(const Dims& shape) { return tensor(DType::f32, shape); }

// A call that records; ending the recording must fail and leave the recorder ready for another.
Row ending(const std::string& name, std::vector<std::string> says,
           std::function<void(Recorder&)> record, Code code) {
  return {name, std::move(says),
          [record = std::move(record)] {
            Recorder recorder(device());
            record(recorder);
            const Result<void> submitted = outcome(recorder.submit());
            CHECK(must(recorder.finish()).stats().operations == 0);
            record(recorder);
            const Result<void> finished = outcome(recorder.finish());
            CHECK(must(recorder.finish()).stats().operations == 0);
            if (finished) return finished;
            return submitted;
          },
          code};
}

// Views of next to nothing, whose attention is as large as its output's shape says.
AttentionCall broadcast_attention(int64_t batch, int64_t heads, int64_t q_len, int64_t value_dim) {
  AttentionCall call;
  call.query = f32({1, 1, 1, 8});
  call.query.shape = {1, 1, q_len, 8};
  call.query.strides = {0, 0, 0, 1};
  call.key = f32({1, 1, 1, 8});
  call.value = f32({1, 1, 1, value_dim});
  call.output.dtype = DType::f32;
  call.output.shape = {batch, heads, q_len, value_dim};
  return call;
}

void record_huge(Recorder& recorder, AttentionCall call) {
  call.output = recorder.transient(DType::f32, call.output.shape);
  must(attention(recorder, call));
}

Rows transient_rows() {
  Rows rows;
  const Tensor x = f32({4, 8});
  const auto invalid = Code::invalid_argument;
  rows.push_back(ending(
      "read before written",
      {"add: ", "transient tensor of 128 bytes", "written before it is read"},
      [=](Recorder& r) {
        const Tensor t = r.transient(DType::f32, {4, 8});
        must(add(r, {.left = x, .right = t, .output = x}));
      },
      invalid));
  rows.push_back(ending(
      "first used in place",
      {"add: ", "transient tensor of 128 bytes", "written before it is read"},
      [](Recorder& r) {
        const Tensor t = r.transient(DType::f32, {4, 8});
        must(add(r, {.left = t, .right = f32({4, 8}), .output = t}));
      },
      invalid));
  rows.push_back(ending(
      "a transient tensor of 2^40 bytes", {"attention: ", "1099511627776 bytes", "at most"},
      [](Recorder& r) { record_huge(r, broadcast_attention(64, 64, 1 << 17, 512)); },
      Code::out_of_memory));
  rows.push_back(ending(
      "transient tensors that pass 2^64 bytes together",
      {"attention: ", "288230376151711744 bytes"},
      [](Recorder& r) {
        const AttentionCall call = broadcast_attention(1 << 15, 1 << 15, 1 << 17, 512);
        for (int i = 0; i < 65; ++i) record_huge(r, call);
      },
      Code::out_of_memory));
  return rows;
}

// transient() itself can't fail: what is wrong with its tensor is told where it is used.
Rows transient_shape_rows() {
  const Tensor x = f32({4, 8});
  struct Wanted {
    DType dtype = DType::f32;
    Dims shape{4, 8};
  };
  const auto make = [x](const Wanted& w) {
    return recorded([&](Recorder& r) {
      return add(r, {.left = x, .right = x, .output = r.transient(w.dtype, w.shape)});
    });
  };
  must(make({}));
  Breaker<Wanted> wrong{"add", {}, make, {}};
  wrong.add("rank 0", {"output.shape is []", "rank"}, [](Wanted& w) { w.shape = {}; });
  wrong.add("rank 5", {"output.shape is [4, 8, 1, 1, ...]", "rank"}, [](Wanted& w) {
    w.shape = {4, 8, 1, 1, 1};
  });
  wrong.add("negative", {"output.shape[0] is -4", "must be 0 to"}, [](Wanted& w) {
    w.shape = {-4, 8};
  });
  wrong.add("too long", {"output.shape[0] is 9223372036854775807", "must be 0 to"}, [](Wanted& w) {
    w.shape = {INT64_MAX, 8};
  });
  wrong.add("too many elements", {"output.shape is [2147483647, 2147483647, 8]", "2147483647 rows"},
            [](Wanted& w) {
              w.shape = {INT32_MAX, INT32_MAX, 8};
            });
  wrong.add("no type", {"output.dtype is unknown (-3)", "must be"},
            [](Wanted& w) { w.dtype = static_cast<DType>(-3); });
  wrong.add("integers", {"output.dtype is i32", "must be"},
            [](Wanted& w) { w.dtype = DType::i32; });
  return wrong.rows;
}

Rows program_rows() {
  Rows rows;
  rows.push_back(
      {"a transient tensor of the recording before",
       {"add: ", "128 bytes", "another recording"},
       [] {
         Recorder recorder(device());
         const Tensor t = recorder.transient(DType::f32, {4, 8});
         must(recorder.finish());
         const Result<void> result = add(recorder, {.left = t, .right = t, .output = f32({4, 8})});
         CHECK(must(recorder.finish()).stats().operations == 0);
         return result;
       }});
  const auto empty = [](bool timestamps) {
    return must(Recorder(device()).finish({.timestamps = timestamps}));
  };
  rows.push_back({"times without timestamps",
                  {"program: ", "times need ProgramOptions::timestamps"},
                  [=] { return outcome(empty(false).times()); }});
  rows.push_back({"times before a run", {"program: ", "times need a run first"}, [=] {
                    return outcome(empty(true).times());
                  }});
  rows.push_back({"timestamps that the device lacks",
                  {"program: ", "timestamps are asked for", "has none"},
                  [] {
                    const Device without = must(Device::open());
                    without.state()->traits.timestamp_period_ns = 0;
                    return outcome(Recorder(without).finish({.timestamps = true}));
                  },
                  Code::unsupported});
  rows.push_back({"a wait for what was never submitted",
                  {"wait: ", "not finished after 1000 ns"},
                  [] { return Ticket(device().state(), submissions() + 1000).wait(1000); },
                  Code::timeout});
  return rows;
}

// More workgroups than the device's grids hold, one row for each axis that can be filled. So many query
// rows are not folded with heads or items.
Rows grid_rows() {
  Rows rows;
  const auto& most = device().traits().max_workgroup_count;
  const auto refuse = [&](const char* what, const AttentionCall& call, uint32_t limit) {
    rows.push_back({std::string("too many ") + what,
                    {"attention: ", std::string("workgroups for ") + what,
                     "the device allows " + std::to_string(limit)},
                    [call] {
                      return recorded([&](Recorder& r) {
                        AttentionCall filled = call;
                        filled.output = r.transient(DType::f32, call.output.shape);
                        return attention(r, filled);
                      });
                    },
                    Code::unsupported});
  };
  if (most[1] < INT32_MAX)
    refuse("heads", broadcast_attention(1, int64_t{most[1]} + 1, 32, 4), most[1]);
  if (most[2] < INT32_MAX)
    refuse("the batch", broadcast_attention(int64_t{most[2]} + 1, 1, 32, 4), most[2]);
  return rows;
}

}  // namespace

size_t check_recorder() {
  return check_rows("transient tensors", transient_rows(), submissions) +
         check_rows("shapes of transient tensors", transient_shape_rows(), submissions) +
         check_rows("programs", program_rows(), submissions) +
         check_rows("grids", grid_rows(), submissions);
}

}  // namespace weft::test
