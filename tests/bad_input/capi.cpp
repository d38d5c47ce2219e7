// The C functions around operations: devices, buffers, tensors, recorders, programs, times.
#include <mutex>

#include "bad_input/capi_world.hpp"
#include "capi/boundary.hpp"
#include "vulkan/device_state.hpp"

namespace weft::test {
namespace {

void must_c(weft_status status) { REQUIRE(status == WEFT_OK); }

Rows device_rows(const CWorld& w) {
  Rows rows;
  weft_device* d = w.device;
  const auto open = [](const weft_device_options* options, weft_error* e) {
    weft_device* made = nullptr;
    const weft_status status = weft_device_open(options, &made, e);
    CHECK((status == WEFT_OK) == (made != nullptr));
    weft_device_release(made);
    return status;
  };
  must_c(open(nullptr, nullptr));
  const auto options = sized<weft_device_options>();
  add_struct_rows<weft_device_options>(rows, "weft_device_open", "options", options,
                                       [open](const weft_device_options* o, weft_error* e) {
                                         if (o) return open(o, e);
                                         return weft_device_open(o, nullptr,
                                                                 e);  // NULL is all defaults
                                       });
  rows[4].says[1] = "device is NULL";
  const auto option = [&](const char* name, std::vector<std::string> says, auto change, Code code) {
    weft_device_options wrong = options;
    change(wrong);
    rows.push_back(c_row(
        name, says, [=](weft_error* e) { return open(&wrong, e); }, code));
  };
  option(
      "a flag that is none", {"weft_device_open: ", "options.flags is 8", "knows those in 7"},
      [](auto& o) { o.flags = 8; }, Code::unsupported);
  option(
      "a name that is none", {"device: ", "none matches \"xyzzy\""},
      [](auto& o) { o.name = "xyzzy"; }, Code::no_device);
  option(
      "negative flops", {"device: ", "max_flops_per_submission is -1"},
      [](auto& o) { o.max_flops_per_submission = -1; }, Code::invalid_argument);
  option(
      "a self-test that is none", {"device: ", "self_test is \"yes\""},
      [](auto& o) { o.self_test = "yes"; }, Code::invalid_argument);
  option(
      "negative time", {"device: ", "tune_seconds is -1"}, [](auto& o) { o.tune_seconds = -1; },
      Code::invalid_argument);
  static weft_allocator short_one{}, partial = sized<weft_allocator>(),
                                     reserved = sized<weft_allocator>();
  partial.free = [](void*, void*) {};
  reserved.reserved = 3;
  option(
      "an allocator without size", {"weft_device_open: ", "options.allocator.struct_size is 0"},
      [](auto& o) { o.allocator = &short_one; }, Code::invalid_argument);
  option(
      "an allocator with one function",
      {"weft_device_open: ", "options.allocator must have all three"},
      [](auto& o) { o.allocator = &partial; }, Code::invalid_argument);
  option(
      "an allocator with reserved bytes",
      {"weft_device_open: ", "options.allocator.reserved is 3", "must be 0"},
      [](auto& o) { o.allocator = &reserved; }, Code::unsupported);

  rows.push_back(
      c_row("traits of no device", {"weft_device_traits: ", "device is NULL"}, [](weft_error* e) {
        auto traits = sized<weft_traits>();
        return weft_device_traits(nullptr, &traits, e);
      }));
  rows.push_back(c_row("traits to nowhere", {"weft_device_traits: ", "traits is NULL"},
                       [=](weft_error* e) { return weft_device_traits(d, nullptr, e); }));
  rows.push_back(c_row("traits without size", {"weft_device_traits: ", "traits.struct_size is 0"},
                       [=](weft_error* e) {
                         weft_traits traits{};
                         return weft_device_traits(d, &traits, e);
                       }));
  rows.push_back(c_row("a list to nowhere", {"weft_device_list_create: ", "list is NULL"},
                       [](weft_error* e) { return weft_device_list_create(nullptr, e); }));
  rows.push_back(
      c_row("traits of no list", {"weft_device_list_traits: ", "list is NULL"},
            [](weft_error* e) { return weft_device_list_traits(nullptr, 0, nullptr, e); }));
  rows.push_back(
      c_row("beyond the list", {"weft_device_list_traits: ", "index is 4294967295", "devices"},
            [](weft_error* e) {
              weft_device_list* list = nullptr;
              must_c(weft_device_list_create(&list, nullptr));
              auto traits = sized<weft_traits>();
              const weft_status status = weft_device_list_traits(list, UINT32_MAX, &traits, e);
              weft_device_list_release(list);
              return status;
            }));
  rows.push_back(c_row("no device to wait for", {"weft_device_wait_idle: ", "device is NULL"},
                       [](weft_error* e) { return weft_device_wait_idle(nullptr, e); }));
  rows.push_back(c_row("no device's cache", {"weft_device_save_pipeline_cache: ", "device is NULL"},
                       [](weft_error* e) { return weft_device_save_pipeline_cache(nullptr, e); }));
  return rows;
}

Rows memory_rows(const CWorld& w) {
  Rows rows;
  weft_device* d = w.device;
  const auto buffer = [&](const char* name, std::vector<std::string> says, weft_device* from,
                          uint64_t bytes, weft_memory memory, Code code = Code::invalid_argument) {
    rows.push_back(c_row(
        name, says,
        [=](weft_error* e) {
          static char anything;
          auto made = reinterpret_cast<weft_buffer*>(&anything);  // must become NULL
          const weft_status status = weft_buffer_create(from, bytes, memory, &made, e);
          CHECK(made == nullptr);
          return status;
        },
        code));
  };
  buffer("a buffer of no device", {"weft_buffer_create: ", "device is NULL"}, nullptr, 8, 0);
  buffer("memory -1", {"weft_buffer_create: ", "memory is -1", "0 to 2"}, d, 8, -1);
  buffer("memory 3", {"weft_buffer_create: ", "memory is 3", "0 to 2"}, d, 8, 3);
  buffer("no bytes", {"buffer of 0 bytes: ", "1 or more"}, d, 0, 0);
  buffer("all bytes", {"buffer of 18446744073709551615 bytes: ", "at most"}, d, UINT64_MAX, 0,
         Code::out_of_memory);
  rows.push_back(c_row("a buffer to nowhere", {"weft_buffer_create: ", "buffer is NULL"},
                       [=](weft_error* e) { return weft_buffer_create(d, 8, 0, nullptr, e); }));

  struct Wanted {
    weft_dtype dtype = WEFT_DTYPE_F32;
    uint32_t rank = 2;
    const int64_t* shape = nullptr;
    weft_memory memory = WEFT_MEMORY_DEVICE;
  };
  static constexpr int64_t kShape[] = {2, 3}, kNegative[] = {2, -3},
                           kHuge[] = {INT64_MAX, INT64_MAX};
  const auto tensor = [&](const char* name, std::vector<std::string> says, Wanted wanted) {
    if (!wanted.shape) wanted.shape = kShape;
    rows.push_back(c_row(name, says, [=](weft_error* e) {
      auto made = sized<weft_tensor>();
      const weft_status status =
          weft_tensor_create(d, wanted.dtype, wanted.rank, wanted.shape, wanted.memory, &made, e);
      CHECK(made.buffer == nullptr);
      return status;
    }));
  };
  tensor("type -1", {"weft_tensor_create: ", "dtype is -1", "0 to 4"}, {.dtype = -1});
  tensor("type 5", {"weft_tensor_create: ", "dtype is 5", "0 to 4"}, {.dtype = 5});
  tensor("rank 0", {"tensor: ", "rank must be 1 to 4", "found 0"}, {.rank = 0});
  tensor("rank 5", {"weft_tensor_create: ", "shape has rank 5", "4 at most"}, {.rank = 5});
  tensor("memory 9", {"weft_tensor_create: ", "memory is 9", "0 to 2"}, {.memory = 9});
  tensor("a negative dimension", {"tensor: ", "0 or more", "[2, -3]"}, {.shape = kNegative});
  tensor("2^126 elements", {"tensor: ", "fit 64 bits", "9223372036854775807"}, {.shape = kHuge});
  rows.push_back(c_row("no shape", {"weft_tensor_create: ", "shape is NULL"}, [=](weft_error* e) {
    auto made = sized<weft_tensor>();
    return weft_tensor_create(d, 0, 2, nullptr, 0, &made, e);
  }));
  rows.push_back(
      c_row("a tensor to nowhere", {"weft_tensor_create: ", "tensor is NULL"},
            [=](weft_error* e) { return weft_tensor_create(d, 0, 2, kShape, 0, nullptr, e); }));
  rows.push_back(c_row("a tensor without size", {"weft_tensor_create: ", "tensor.struct_size is 0"},
                       [=](weft_error* e) {
                         weft_tensor made{};
                         return weft_tensor_create(d, 0, 2, kShape, 0, &made, e);
                       }));
  rows.push_back(c_row("a tensor of no device", {"weft_tensor_create: ", "device is NULL"},
                       [=](weft_error* e) {
                         auto made = sized<weft_tensor>();
                         return weft_tensor_create(nullptr, 0, 2, kShape, 0, &made, e);
                       }));
  return rows;
}

Rows copy_rows(const CWorld& w, bool up) {
  Rows rows;
  static std::byte data[1024];
  const std::string function = up ? "weft_upload" : "weft_download", start = function + ": ";
  const std::string cpp = up ? "upload: " : "download: ";
  const auto copy = [up](weft_device* d, const weft_tensor* t, void* to, uint64_t bytes,
                         weft_error* e) {
    return up ? weft_upload(d, t, to, bytes, e) : weft_download(d, t, to, bytes, e);
  };
  weft_device* d = w.device;
  const weft_tensor valid = w.x;
  must_c(copy(d, &valid, data, 256, nullptr));
  add_struct_rows<weft_tensor>(
      rows, function, "tensor", valid,
      [=](const weft_tensor* t, weft_error* e) { return copy(d, t, data, 256, e); });
  rows.push_back(c_row(function + " of no device", {start, "device is NULL"},
                       [=](weft_error* e) { return copy(nullptr, &valid, data, 256, e); }));
  rows.push_back(c_row(function + " of no data", {start, "data is NULL"},
                       [=](weft_error* e) { return copy(d, &valid, nullptr, 256, e); }));
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{255}})
    rows.push_back(c_row(function + " of " + std::to_string(bytes),
                         {cpp, "holds 256 bytes", std::to_string(bytes)},
                         [=](weft_error* e) { return copy(d, &valid, data, bytes, e); }));
  const auto change = [&](const char* name, std::vector<std::string> says, auto set) {
    weft_tensor wrong = valid;
    set(wrong);
    rows.push_back(c_row(function + ": " + name, says,
                         [=](weft_error* e) { return copy(d, &wrong, data, 256, e); }));
  };
  change("type 99", {start, "tensor.dtype is 99", "0 to 4"}, [](auto& t) { t.dtype = 99; });
  change("rank 5", {start, "tensor.shape has rank 5", "4 at most"}, [](auto& t) { t.rank = 5; });
  change("rank 0", {cpp, "must be dense", "[]"}, [](auto& t) { t.rank = 0; });
  change("layout 2", {start, "tensor.layout is 2", "0 to 1"}, [](auto& t) { t.layout = 2; });
  change("no buffer", {cpp, "has no buffer"}, [](auto& t) { t.buffer = nullptr; });
  change("an offset of 4", {cpp, "256 bytes from byte 4", "has 256"},
         [](auto& t) { t.offset_bytes = 4; });
  return rows;
}

Rows recorder_rows(const CWorld& w) {
  Rows rows;
  weft_device* d = w.device;
  weft_recorder* r = w.recorder;
  static constexpr int64_t kShape[] = {2, 3};
  const auto add = [&](const char* name, std::vector<std::string> says, CCall call,
                       Code code = Code::invalid_argument) {
    rows.push_back(c_row(name, std::move(says), std::move(call), code));
  };
  add("a recorder of no device", {"weft_recorder_create: ", "device is NULL"}, [](weft_error* e) {
    weft_recorder* made = nullptr;
    return weft_recorder_create(nullptr, &made, e);
  });
  add("a recorder to nowhere", {"weft_recorder_create: ", "recorder is NULL"},
      [=](weft_error* e) { return weft_recorder_create(d, nullptr, e); });
  add("a label for nothing", {"weft_recorder_label: ", "recorder is NULL"},
      [](weft_error* e) { return weft_recorder_label(nullptr, "x", e); });
  const auto transient = [](weft_recorder* of, weft_dtype dtype, uint32_t rank,
                            const int64_t* shape, weft_error* e) {
    auto made = sized<weft_tensor>();
    const weft_status status = weft_recorder_transient(of, dtype, rank, shape, &made, e);
    CHECK(made.buffer == nullptr);
    return status;
  };
  const std::string start = "weft_recorder_transient: ";
  add("transient of nothing", {start, "recorder is NULL"},
      [=](weft_error* e) { return transient(nullptr, 0, 2, kShape, e); });
  add("transient of type 5", {start, "dtype is 5", "0 to 4"},
      [=](weft_error* e) { return transient(r, 5, 2, kShape, e); });
  add("transient of rank 5", {start, "shape has rank 5"},
      [=](weft_error* e) { return transient(r, 0, 5, kShape, e); });
  add("transient without shape", {start, "shape is NULL"},
      [=](weft_error* e) { return transient(r, 0, 2, nullptr, e); });
  add("transient to nowhere", {start, "tensor is NULL"},
      [=](weft_error* e) { return weft_recorder_transient(r, 0, 2, kShape, nullptr, e); });
  add("submit nothing", {"weft_recorder_submit: ", "recorder is NULL"}, [](weft_error* e) {
    weft_ticket ticket = 5;
    const weft_status status = weft_recorder_submit(nullptr, &ticket, e);
    CHECK(ticket == 0);
    return status;
  });
  add("wait for no device", {"weft_wait: ", "device is NULL"},
      [](weft_error* e) { return weft_wait(nullptr, 0, 0, e); });
  add(
      "wait for what never comes", {"wait: ", "not finished after 1000 ns"},
      [=](weft_error* e) { return weft_wait(d, uint64_t{1} << 40, 1000, e); }, Code::timeout);
  const auto finish = [](weft_recorder* of, const weft_program_options* options, weft_error* e) {
    weft_program* made = nullptr;
    const weft_status status = weft_recorder_finish(of, options, &made, e);
    CHECK(made == nullptr);
    return status;
  };
  add("finish nothing", {"weft_recorder_finish: ", "recorder is NULL"},
      [=](weft_error* e) { return finish(nullptr, nullptr, e); });
  add("finish to nowhere", {"weft_recorder_finish: ", "program is NULL"},
      [=](weft_error* e) { return weft_recorder_finish(r, nullptr, nullptr, e); });
  add(
      "finish with flags", {"weft_recorder_finish: ", "options.flags is 2", "knows those in 1"},
      [=](weft_error* e) {
        auto options = sized<weft_program_options>();
        options.flags = 2;
        return finish(r, &options, e);
      },
      Code::unsupported);
  add("finish without size", {"weft_recorder_finish: ", "options.struct_size is 0"},
      [=](weft_error* e) {
        const weft_program_options options{};
        return finish(r, &options, e);
      });
  return rows;
}

Rows program_rows(const CWorld& w) {
  Rows rows;
  weft_program* p = w.program;
  const auto add = [&](const char* name, std::vector<std::string> says, CCall call) {
    rows.push_back(c_row(name, std::move(says), std::move(call)));
  };
  add("run nothing", {"weft_program_run: ", "program is NULL"},
      [](weft_error* e) { return weft_program_run(nullptr, nullptr, e); });
  add("stats of nothing", {"weft_program_stats: ", "program is NULL"}, [](weft_error* e) {
    auto stats = sized<weft_stats>();
    return weft_program_stats(nullptr, &stats, e);
  });
  add("stats to nowhere", {"weft_program_stats: ", "stats is NULL"},
      [=](weft_error* e) { return weft_program_stats(p, nullptr, e); });
  add("stats without size", {"weft_program_stats: ", "stats.struct_size is 0"}, [=](weft_error* e) {
    weft_stats stats{};
    return weft_program_stats(p, &stats, e);
  });
  const auto times = [](const weft_program* of, weft_error* e) {
    weft_times* made = nullptr;
    const weft_status status = weft_program_times(of, &made, e);
    CHECK(made == nullptr);
    return status;
  };
  add("times of nothing", {"weft_program_times: ", "program is NULL"},
      [=](weft_error* e) { return times(nullptr, e); });
  add("times to nowhere", {"weft_program_times: ", "times is NULL"},
      [=](weft_error* e) { return weft_program_times(p, nullptr, e); });
  add("times without timestamps", {"program: ", "ProgramOptions::timestamps"},
      [=](weft_error* e) { return times(p, e); });
  add("a time of nothing", {"weft_times_get: ", "times is NULL"},
      [](weft_error* e) { return weft_times_get(nullptr, 0, nullptr, e); });
  add("a trace of nothing", {"weft_times_trace: ", "times is NULL"}, [](weft_error* e) {
    char* json = nullptr;
    return weft_times_trace(nullptr, &json, e);
  });
  add("a trace to nowhere", {"weft_times_trace: ", "json is NULL"},
      [](weft_error* e) { return weft_times_trace(nullptr, nullptr, e); });
  return rows;
}

}  // namespace

Row c_row(const std::string& name, std::vector<std::string> says, CCall call, Code code) {
  return {name, std::move(says),
          [call = std::move(call)]() -> Result<void> {
            weft_error error{};
            const weft_status status = call(&error);
            CHECK(error.code == status);
            CHECK(call(nullptr) == status);
            if (status == WEFT_OK) return {};
            return fail(static_cast<Code>(status), error.message);
          },
          code};
}

uint64_t CWorld::submitted() const {
  auto& state = *device->device.state();
  std::lock_guard lock(state.queue_mutex);
  return state.submitted;
}

size_t check_capi() {
  const CWorld w;
  const auto work = [&] { return w.submitted(); };
  return check_rows("C devices", device_rows(w), work) +
         check_rows("C memory", memory_rows(w), work) +
         check_rows("C upload", copy_rows(w, true), work) +
         check_rows("C download", copy_rows(w, false), work) +
         check_rows("C recorders", recorder_rows(w), work) +
         check_rows("C programs", program_rows(w), work);
}

}  // namespace weft::test
