// What can be wrong with any tensor of any call, as rows.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "bad_input/table.hpp"
#include "weft/tensor.hpp"

namespace weft::test {

// Where the tensors of a table come from. Tables of calls that need no device leave out the last
// two.
struct Maker {
  std::function<Tensor(DType, const Dims&)> tensor;
  std::function<Buffer(const Tensor&)> foreign;  // a like buffer of another device
  std::function<Buffer(const Tensor&)>
      transient;  // that of a transient tensor of another recording
};

template <class Call>
struct Field {
  const char* name;
  Tensor& (*of)(Call&);
  DType wrong_type;  // one that it can't have
  bool required = false;
  bool output = false;
  bool any_rank = false;  // 1 to 4
};

// Rows that each break a valid call in one place.
template <class Call>
struct Breaker {
  std::string operation;  // as messages begin
  Call valid;
  std::function<Result<void>(const Call&)> make;
  Rows rows;

  void add(const std::string& name, std::vector<std::string> says,
           std::function<void(Call&)> change, Code code = Code::invalid_argument) {
    says.insert(says.begin(), operation + ": ");
    rows.push_back({name, std::move(says),
                    [make = make, call = valid, change = std::move(change)]() mutable {
                      change(call);
                      return make(call);
                    },
                    code});
  }
};

namespace faults {

struct Fault {
  const char* name;
  std::vector<std::string> says;
  std::function<void(Tensor&)> change;
};

inline std::string number(uint64_t value) { return std::to_string(value); }

inline size_t first_long_axis(const Tensor& tensor) {
  size_t axis = 0;
  while (axis + 1 < tensor.rank() && tensor.shape[axis] <= 1) ++axis;
  return axis;
}

inline void add_shapes(std::vector<Fault>& list, const std::string& name, const Tensor& valid,
                       bool any_rank) {
  list.push_back(
      {"rank 0", {name + ".shape is []", "rank"}, [](Tensor& t) { t.shape = t.strides = {}; }});
  list.push_back({"rank 5", {name + ".shape is [1, 1, 1, 1, ...]", "rank"}, [](Tensor& t) {
                    t.shape = t.strides = {1, 1, 1, 1, 1};
                  }});
  if (!any_rank && valid.rank() > 1)
    list.push_back({"an axis too few",
                    {name + ".shape is [3]", "rank must be " + number(valid.rank())},
                    [](Tensor& t) {
                      t.shape = {3};
                      t.strides = {1};
                    }});
  list.push_back({"a negative dimension",
                  {name + ".shape[0] is -1", "must be 0 to"},
                  [](Tensor& t) { t.shape[0] = -1; }});
  list.push_back({"a dimension of 2^31",
                  {name + ".shape[0] is 2147483648", "must be 0 to 2147483647"},
                  [](Tensor& t) { t.shape[0] = int64_t{1} << 31; }});
  list.push_back({"a dimension of 2^63 - 1",
                  {name + ".shape[0] is 9223372036854775807", "must be 0 to"},
                  [](Tensor& t) { t.shape[0] = INT64_MAX; }});
}

inline void add_strides(std::vector<Fault>& list, const std::string& name, const Tensor& valid) {
  const size_t axis = first_long_axis(valid), last = valid.rank() - 1;
  list.push_back(
      {"strides of another rank", {name + ".strides is", "must have the same rank"}, [](Tensor& t) {
         t.strides = t.rank() == 1 ? Dims{1, 1} : Dims{1};
       }});
  list.push_back({"a negative stride",
                  {name + ".strides[" + number(axis) + "] is -8", "must not be negative"},
                  [axis](Tensor& t) { t.strides[axis] = -8; }});
  list.push_back({"elements apart",
                  {name + ".strides[" + number(last) + "] is 2", "must be 1"},
                  [last](Tensor& t) { t.strides[last] = 2; }});
  if (valid.rank() >= 3)
    list.push_back({"a stride beyond the buffer",
                    {name + " ends at byte", "its buffer has", "must lie inside"},
                    [axis](Tensor& t) { t.strides[axis] = int64_t{1} << 40; }});
}

inline void add_places(std::vector<Fault>& list, const std::string& name, const Tensor& valid,
                       const Maker& maker) {
  const uint64_t size = size_bytes(valid.dtype), bytes = valid.buffer.size_bytes();
  if (size > 1)
    list.push_back({"an offset inside an element",
                    {name + ".offset_bytes is 1", "multiple of " + number(size)},
                    [](Tensor& t) { t.offset_bytes = 1; }});
  list.push_back({"an offset of the whole buffer",
                  {name + " ends at byte " + number(bytes + valid.extent_bytes()),
                   "its buffer has " + number(bytes)},
                  [bytes](Tensor& t) { t.offset_bytes = bytes; }});
  list.push_back({"an end beyond 64 bits",
                  {name + " ends at byte 18446744073709551615", "must lie inside"},
                  [](Tensor& t) { t.offset_bytes = UINT64_MAX - 3; }});
  list.push_back({"a buffer that is too small",
                  {name + " ends at byte", "its buffer has 4;"},
                  [&maker](Tensor& t) { t.buffer = maker.tensor(DType::u8, {4}).buffer; }});
  if (maker.foreign)
    list.push_back({"a buffer of another device",
                    {name + ".buffer is of another device", "the recorder's"},
                    [&maker](Tensor& t) { t.buffer = maker.foreign(t); }});
  if (maker.transient)
    list.push_back(
        {"a transient tensor of another recording",
         {"transient tensor of " + number(valid.extent_bytes()) + " bytes", "another recording"},
         [&maker](Tensor& t) { t.buffer = maker.transient(t); }});
}

}  // namespace faults

// Every fault that a tensor can have, in each of these fields of the call.
template <class Call>
void add_tensor_faults(Breaker<Call>& breaker, const std::vector<Field<Call>>& fields,
                       const Maker& maker) {
  using faults::Fault;
  for (const Field<Call>& field : fields) {
    const std::string name = field.name;
    const Tensor& valid = field.of(breaker.valid);
    std::vector<Fault> list;
    if (field.required)
      list.push_back({"not given", {name + " is not given"}, [](Tensor& t) { t = {}; }});
    faults::add_shapes(list, name, valid, field.any_rank);
    list.push_back({"a type that is none",
                    {name + ".dtype is unknown (9)", "must be"},
                    [](Tensor& t) { t.dtype = static_cast<DType>(9); }});
    list.push_back({"a type that it can't have",
                    {name + ".dtype is " + to_string(field.wrong_type), "must be"},
                    [type = field.wrong_type](Tensor& t) { t.dtype = type; }});
    faults::add_strides(list, name, valid);
    faults::add_places(list, name, valid, maker);
    if (field.output && valid.rank() > 1)
      list.push_back({"rows in one place",
                      {name + ".strides", "share memory", "output must not"},
                      [axis = faults::first_long_axis(valid)](Tensor& t) { t.strides[axis] = 0; }});
    for (const Fault& fault : list)
      breaker.add(name + ": " + fault.name, fault.says,
                  [of = field.of, change = fault.change](Call& call) { change(of(call)); });
  }
}

// The name and place of a field: WEFT_FIELD(AddCall, left). WEFT_PART: with another name in
// messages.
#define WEFT_FIELD(Call, member) WEFT_PART(Call, #member, member)
#define WEFT_PART(Call, name, member) name, [](Call& call) -> Tensor& { return call.member; }

}  // namespace weft::test
