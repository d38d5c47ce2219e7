// Devices, buffers and tensors in C.
#include "capi/structs.hpp"

using namespace weft;
using namespace weft::capi;

struct weft_device_list : Handle {
  std::vector<DeviceInfo> devices;
  std::vector<std::string> quirks;
};

namespace {

std::string text_of(const char* from) { return from ? from : ""; }

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

Result<HostAllocator> read_allocator(Function function, const weft_allocator* in) {
  if (!in) return HostAllocator{};
  WEFT_ASSIGN(const weft_allocator allocator, read(function, "options.allocator", in));
  if (!allocator.allocate || !allocator.reallocate || !allocator.free)
    return function.broken("options.allocator must have all three functions");
  return HostAllocator{allocator.user, allocator.allocate, allocator.reallocate, allocator.free};
}

Result<DeviceOptions> read_options(Function function, const weft_device_options* in) {
  DeviceOptions out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_device_options options, read(function, "options", in));
  out.name = text_of(options.name);
  out.cache_dir = text_of(options.cache_dir);
  out.kernel = text_of(options.kernel);
  out.disable = text_of(options.disable);
  out.validation = (options.flags & WEFT_DEVICE_VALIDATION) != 0;
  out.without_16bit = (options.flags & WEFT_DEVICE_WITHOUT_16BIT) != 0;
  out.without_direct_access = (options.flags & WEFT_DEVICE_WITHOUT_DIRECT_ACCESS) != 0;
  out.max_flops_per_submission = options.max_flops_per_submission;
  out.self_test = text_of(options.self_test);
  out.tune_seconds = options.tune_seconds;
  if (options.log)
    out.log = [log = options.log, user = options.log_user](LogLevel level,
                                                           std::string_view message) {
      log(user, static_cast<weft_log_level>(level), std::string(message).c_str());
    };
  WEFT_ASSIGN(out.host_allocator, read_allocator(function, options.allocator));
  return out;
}

weft_traits to_c(const DeviceTraits& from, const std::string& quirks, const char* why_not) {
  weft_traits to{};
  to.type = static_cast<weft_device_type>(from.type);
  to.name = from.name.c_str();
  to.driver_name = from.driver_name.c_str();
  to.driver_info = from.driver_info.c_str();
  to.quirks = quirks.c_str();
  to.why_not = why_not;
  to.vendor_id = from.vendor_id;
  to.device_id = from.device_id;
  to.driver_id = from.driver_id;
  to.driver_version = from.driver_version;
  to.api_version = from.api_version;
  to.subgroup_size = from.subgroup_size;
  to.max_workgroup_invocations = from.max_workgroup_invocations;
  for (size_t i = 0; i < 3; ++i) {
    to.max_workgroup_count[i] = from.max_workgroup_count[i];
    to.max_workgroup_size[i] = from.max_workgroup_size[i];
  }
  to.max_push_constants_bytes = from.max_push_constants_bytes;
  to.shared_memory_bytes = from.shared_memory_bytes;
  to.timestamp_period_ns = from.timestamp_period_ns;
  to.storage_16bit = from.storage_16bit;
  to.max_allocation_bytes = from.max_allocation_bytes;
  to.unified_memory = from.unified_memory;
  to.buffer_device_address = from.buffer_device_address;
  to.timeline_semaphore = from.timeline_semaphore;
  to.synchronization2 = from.synchronization2;
  std::memcpy(to.pipeline_cache_uuid, from.pipeline_cache_uuid.data(),
              sizeof to.pipeline_cache_uuid);
  return to;
}

// A span of the caller's bytes; null only where there are none.
Result<size_t> read_bytes(Function function, const void* data, uint64_t bytes) {
  if (bytes > 0) WEFT_TRY(function.given("data", data));
  if (bytes > SIZE_MAX)
    return function.broken("bytes is ", bytes, "; this machine addresses ", SIZE_MAX);
  return static_cast<size_t>(bytes);
}

}  // namespace

weft_status weft_device_open(const weft_device_options* options, weft_device** device,
                             weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "device", device));
    WEFT_ASSIGN(const DeviceOptions chosen, read_options(function, options));
    WEFT_ASSIGN(Device opened, Device::open(chosen));
    std::string quirks = joined(opened.traits().quirks);
    return make(function, chosen.host_allocator, device, std::move(opened), std::move(quirks));
  });
}

weft_device* weft_device_retain(weft_device* device) { return retain(device); }
void weft_device_release(weft_device* device) { release(device); }

weft_status weft_device_traits(const weft_device* device, weft_traits* traits, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    WEFT_TRY(begin_output(function, "traits", traits));
    write(to_c(device->device.traits(), device->quirks, ""), traits);
    return {};
  });
}

weft_status weft_device_list_create(weft_device_list** list, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "list", list));
    WEFT_ASSIGN(std::vector<DeviceInfo> devices, Device::list());
    std::vector<std::string> quirks;
    for (const DeviceInfo& info : devices) quirks.push_back(joined(info.traits.quirks));
    return make(function, HostAllocator{}, list, std::move(devices), std::move(quirks));
  });
}

uint32_t weft_device_list_count(const weft_device_list* list) {
  return list ? static_cast<uint32_t>(list->devices.size()) : 0;
}

weft_status weft_device_list_traits(const weft_device_list* list, uint32_t index,
                                    weft_traits* traits, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("list", list));
    WEFT_TRY(begin_output(function, "traits", traits));
    if (index >= list->devices.size())
      return function.broken("index is ", index, "; the list has ", list->devices.size(),
                             " devices");
    const DeviceInfo& info = list->devices[index];
    write(to_c(info.traits, list->quirks[index], info.usable ? "" : info.why_not.c_str()), traits);
    return {};
  });
}

void weft_device_list_release(weft_device_list* list) { release(list); }

weft_status weft_device_wait_idle(const weft_device* device, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    return device->device.wait_idle();
  });
}

weft_status weft_device_save_pipeline_cache(const weft_device* device, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    return device->device.save_pipeline_cache();
  });
}

uint64_t weft_device_validation_messages(const weft_device* device) {
  return device ? device->device.validation_messages() : 0;
}

weft_status weft_buffer_create(const weft_device* device, uint64_t bytes, weft_memory memory,
                               weft_buffer** buffer, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "buffer", buffer));
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const Memory kind, read_memory(function, memory));
    WEFT_ASSIGN(Buffer made, device->device.buffer(bytes, kind));
    return make(function, device->allocator, buffer, std::move(made));
  });
}

weft_buffer* weft_buffer_retain(weft_buffer* buffer) { return retain(buffer); }
void weft_buffer_release(weft_buffer* buffer) { release(buffer); }
uint64_t weft_buffer_size_bytes(const weft_buffer* buffer) {
  return buffer ? buffer->buffer.size_bytes() : 0;
}
void* weft_buffer_mapped(const weft_buffer* buffer) {
  return buffer ? buffer->buffer.mapped() : nullptr;
}

weft_status weft_tensor_create(const weft_device* device, weft_dtype dtype, uint32_t rank,
                               const int64_t* shape, weft_memory memory, weft_tensor* tensor,
                               weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "tensor", tensor));
    write(weft_tensor{}, tensor);
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const DType type, read_dtype(function, "dtype", dtype));
    WEFT_ASSIGN(const Dims dims, read_shape(function, "shape", rank, shape));
    WEFT_ASSIGN(const Memory kind, read_memory(function, memory));
    WEFT_ASSIGN(const Tensor made, device->device.tensor(type, dims, kind));
    return write_tensor(function, device->allocator, made, tensor);
  });
}

weft_status weft_upload(const weft_device* device, const weft_tensor* tensor, const void* data,
                        uint64_t bytes, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    WEFT_TRY(function.given("tensor", tensor));
    WEFT_ASSIGN(const size_t count, read_bytes(function, data, bytes));
    WEFT_ASSIGN(const Tensor to, read_tensor(function, "tensor", tensor));
    return device->device.upload(to, std::span(static_cast<const std::byte*>(data), count));
  });
}

weft_status weft_download(const weft_device* device, const weft_tensor* tensor, void* data,
                          uint64_t bytes, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("device", device));
    WEFT_TRY(function.given("tensor", tensor));
    WEFT_ASSIGN(const size_t count, read_bytes(function, data, bytes));
    WEFT_ASSIGN(const Tensor from, read_tensor(function, "tensor", tensor));
    return device->device.download(from, std::span(static_cast<std::byte*>(data), count));
  });
}
