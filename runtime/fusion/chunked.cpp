// Retrieved neighbours: the block runs on all rows at once; only the attention goes by chunks, on
// views of the rows that see them.
#include "base/text.hpp"
#include "fusion/block.hpp"

namespace weft {
namespace {

using namespace fusion;
using checks::Rules;

struct Chunks {
  int64_t batch = 0, q_len = 0, chunk_len = 0;
  int64_t first_row() const { return chunk_len - 1; }  // that sees anything
  int64_t count() const { return q_len / chunk_len; }
  // Chunks that are seen by chunk_len rows; the last one may be seen by fewer.
  int64_t whole() const { return q_len < chunk_len ? 0 : (q_len - first_row()) / chunk_len; }
  int64_t rows_of_last() const {
    return count() > whole() ? q_len - first_row() - whole() * chunk_len : 0;
  }
};

Result<Chunks> check(const Rules& rules, const ChunkedAttentionCall& call) {
  if (call.chunk_len < 1 || call.chunk_len > checks::kMaxCount)
    return rules.broken(
        text("chunk_len is ", call.chunk_len, "; it must be 1 to ", checks::kMaxCount));
  WEFT_TRY(check_rows(rules, {"query", call.query}));
  const bool batched = call.query.rank() == 3;
  const Chunks chunks{.batch = batched ? call.query.shape[0] : 1,
                      .q_len = call.query.shape[batched ? 1 : 0],
                      .chunk_len = call.chunk_len};
  WEFT_TRY(check_tensor(rules, {"context", call.context}, 4));
  WEFT_TRY(check_size(rules, {"context", call.context}, 0, chunks.batch, "the query's batch"));
  WEFT_TRY(check_size(rules, {"context", call.context}, 1, chunks.count(),
                      "the chunks: q_len divided by chunk_len"));
  if (!call.context.is_dense())
    return rules.broken(text("context.strides is ", call.context.strides, "; it must be dense"));
  if (call.kv_lengths)
    WEFT_TRY(rules.numbers({"kv_lengths", call.kv_lengths}, chunks.batch * chunks.count(),
                           "the batch times the chunks"));
  if (!call.query_angles) return chunks;
  WEFT_TRY(rules.rank({"query_angles", call.query_angles}, 2));
  WEFT_TRY(check_size(rules, {"query_angles", call.query_angles}, 0, call.chunk_len, "chunk_len"));
  return chunks;
}

// 0 for the rows that see nothing, 1 for the others. The host writes them, once for each recording.
Result<Tensor> row_factors(const Device& device, const Chunks& chunks) {
  WEFT_ASSIGN(const Tensor factors,
              device.tensor(DType::f32, {chunks.batch, chunks.q_len}, Memory::upload));
  std::vector<float> values(static_cast<size_t>(chunks.batch * chunks.q_len));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<int64_t>(i) % chunks.q_len < chunks.first_row() ? 0.0f : 1.0f;
  WEFT_TRY(device.upload(factors, values));
  return factors;
}

// Rows of `of` [batch, heads, rows, dim] that see `count` chunks from chunk `first` on, each
// `length` of them: [count, heads, length, dim].
Tensor rows_of_chunks(const Tensor& of, const Chunks& chunks, int64_t item, int64_t first,
                      int64_t count, int64_t length) {
  Tensor view = of;
  const int64_t row = chunks.first_row() + first * chunks.chunk_len;
  view.offset_bytes +=
      static_cast<uint64_t>(item * of.strides[0] + row * of.strides[2]) * size_bytes(of.dtype);
  view.shape = {count, of.shape[1], length, of.shape[3]};
  view.strides = {chunks.chunk_len * of.strides[2], of.strides[1], of.strides[2], 1};
  return view;
}

struct ChunkRun {
  const ChunkedAttentionCall& call;
  const Chunks& chunks;

  // Turns the queries, in rows of their own.
  Result<void> rotate(Recorder& recorder, Tensor& query) const {
    if (!call.query_angles) return {};
    const Dims& shape = query.shape;
    WEFT_ASSIGN(const Tensor angles, call.query_angles.slice(0, 0, shape[2]));
    const Tensor rows = recorder.transient(query.dtype, {shape[0], shape[2], shape[1] * shape[3]});
    WEFT_ASSIGN(const Tensor turned, rows.split_heads(shape[1]));
    WEFT_TRY(rotary(recorder, {.input = query, .angles = angles, .output = turned}));
    query = turned;
    return {};
  }

  // `count` chunks of an item from `first` on, seen by `length` rows each.
  Result<void> attend(Recorder& recorder, const AttentionCall& all, int64_t item, int64_t first,
                      int64_t count, int64_t length) const {
    if (count == 0 || length == 0) return {};
    AttentionCall part = all;
    part.query = rows_of_chunks(all.query, chunks, item, first, count, length);
    part.output = rows_of_chunks(all.output, chunks, item, first, count, length);
    const int64_t chunk = item * chunks.count() + first;
    WEFT_ASSIGN(part.key, all.key.slice(0, chunk, count));
    WEFT_ASSIGN(part.value, all.value.slice(0, chunk, count));
    if (call.kv_lengths) {
      WEFT_ASSIGN(part.kv_lengths, call.kv_lengths.slice(0, chunk, count));
    }
    WEFT_TRY(rotate(recorder, part.query));
    return call.attend ? call.attend(recorder, part) : attention(recorder, part);
  }

  // Rows of no chunk at all still have to be written once.
  Result<void> attend_to_nothing(Recorder& recorder, AttentionCall all) const {
    all.null_key = all.null_value = {};
    all.key.shape = {1, all.key.shape[1], 0, all.key.shape[3]};
    all.value.shape = {1, all.value.shape[1], 0, all.value.shape[3]};
    return attention(recorder, all);
  }

  Result<void> operator()(Recorder& recorder, const AttentionCall& all) const {
    if (chunks.count() == 0) return attend_to_nothing(recorder, all);
    for (int64_t item = 0; item < chunks.batch; ++item) {
      WEFT_TRY(attend(recorder, all, item, 0, chunks.whole(), chunks.chunk_len));
      WEFT_TRY(attend(recorder, all, item, chunks.whole(), chunks.count() - chunks.whole(),
                      chunks.rows_of_last()));
    }
    return {};
  }
};

}  // namespace

Result<void> chunked_cross_attention(Recorder& recorder, const CrossAttentionBlock& block,
                                     const ChunkedAttentionCall& call) {
  Scope scope(recorder, "chunked_cross_attention", block.name);
  WEFT_ASSIGN(const Chunks chunks, check(scope.rules(), call));
  if (block.context_and_query || !block.more_sources.empty())
    return scope.rules().broken(text(block.context_and_query ? "context_and_query" : "more_sources",
                                     " is set; chunks have their neighbours only"));
  CrossAttentionCall whole{.query = call.query, .output = call.output};
  WEFT_ASSIGN(whole.context, call.context.reshape({chunks.batch * chunks.count(),
                                                   call.context.shape[2], call.context.shape[3]}));
  whole.key_angles = call.key_angles;
  whole.attend = ChunkRun{call, chunks};
  WEFT_ASSIGN(const BlockShape shape, validate(scope.rules(), block, whole, Items::any));
  WEFT_ASSIGN(const Tensor factors, row_factors(recorder.device(), chunks));
  scope.set_dtype(call.query.dtype);
  WEFT_TRY(record_block(scope, block, whole, shape, factors));
  return scope.keep();
}

}  // namespace weft
