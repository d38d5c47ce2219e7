// Published weights in C. Part of weft_io: of capi it may use what is inline.
#include "weft/checkpoint.hpp"

#include "capi/boundary.hpp"
#include "weft/checkpoint.h"

using namespace weft;
using namespace weft::capi;

struct weft_checkpoint : Handle {
  Checkpoint checkpoint;
  std::vector<std::string> names;
  weft_tensor_source source;
};

namespace {

const weft_checkpoint& from(void* user) { return *static_cast<const weft_checkpoint*>(user); }

const char* name_of(void* user, uint64_t index) {
  const std::vector<std::string>& names = from(user).names;
  return index < names.size() ? names[index].c_str() : nullptr;
}

weft_status shape_of(void* user, const char* name, uint32_t* rank, int64_t* shape,
                     weft_error* error) {
  return run({"weft_checkpoint"}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("name", name));
    WEFT_TRY(function.given("rank", rank));
    WEFT_TRY(function.given("shape", shape));
    *rank = 0;
    WEFT_ASSIGN(const std::vector<int64_t> lengths, from(user).checkpoint.shape(name));
    if (lengths.size() > WEFT_MAX_SOURCE_RANK)
      return function.unknown("\"", name, "\" has rank ", lengths.size(), "; it must be ",
                              WEFT_MAX_SOURCE_RANK, " at most");
    *rank = static_cast<uint32_t>(lengths.size());
    std::copy(lengths.begin(), lengths.end(), shape);
    return {};
  });
}

weft_status read_from(void* user, const char* name, weft_dtype dtype, uint64_t first, void* data,
                      uint64_t bytes, weft_error* error) {
  return run({"weft_checkpoint"}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("name", name));
    if (bytes > 0) WEFT_TRY(function.given("data", data));
    if (bytes > SIZE_MAX)
      return function.broken("bytes is ", bytes, "; this machine addresses ", SIZE_MAX);
    return from(user).checkpoint.read(
        name, static_cast<DType>(dtype), first,
        std::span(static_cast<std::byte*>(data), static_cast<size_t>(bytes)));
  });
}

}  // namespace

weft_status weft_checkpoint_open(const char* path, weft_checkpoint** checkpoint,
                                 weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "checkpoint", checkpoint));
    WEFT_TRY(function.given("path", path));
    WEFT_ASSIGN(Checkpoint opened, Checkpoint::open(path));
    std::vector<std::string> names = opened.names();
    std::erase_if(names, [](const std::string& name) { return name.find('\0') != name.npos; });
    weft_tensor_source source{};
    source.struct_size = sizeof source;
    source.count = names.size();
    source.name = name_of;
    source.shape = shape_of;
    source.read = read_from;
    WEFT_TRY(
        make(function, HostAllocator{}, checkpoint, std::move(opened), std::move(names), source));
    (*checkpoint)->source.user = *checkpoint;
    return {};
  });
}

weft_checkpoint* weft_checkpoint_retain(weft_checkpoint* checkpoint) { return retain(checkpoint); }
void weft_checkpoint_release(weft_checkpoint* checkpoint) { release(checkpoint); }
const weft_tensor_source* weft_checkpoint_source(const weft_checkpoint* checkpoint) {
  return checkpoint ? &checkpoint->source : nullptr;
}
