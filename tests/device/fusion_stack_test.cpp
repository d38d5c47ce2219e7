// Blocks together: both directions at once, one softmax over several attentions, chunks of
// retrieved neighbours, similarities, and stacks.
#include "device/fusion_world.hpp"

using namespace weft;
using namespace weft::test;

namespace {

using reference::Array;
using reference::Fusion;

// A tensor of the reference's results, to be read as the input of the next block.
Tensor uploaded(const World& world, const Array& rows) {
  const Dims shape{rows.shape[1], rows.shape[2], rows.shape[3]};
  return must(cases::upload(world.on, rows, cases::place(DType::f32, shape, cases::Layout::bhld)));
}

// A block from rows of `dim` to rows of `context_dim`, with norms.
CrossAttentionBlock block_of(World& world, int64_t dim, int64_t context_dim) {
  CrossAttentionBlock block = make_block(world, {.dim = dim, .context_dim = context_dim});
  block.post_norm = world.norm(NormKind::layer, dim);
  return block;
}

}  // namespace

TEST_CASE("co-attention: each direction from the other's old state") {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const bool shared : {false, true}) {
      World world{device(), dtype};
      const CrossAttentionBlock left_block = block_of(world, 12, 12);
      const CrossAttentionBlock right_block = shared ? left_block : block_of(world, 12, 12);
      CoAttentionCall call;
      call.left = {.query = world.rows({2, 5, 12}), .output = world.output({2, 5, 12})};
      call.right = {.query = world.rows({2, 7, 12}), .output = world.output({2, 7, 12})};
      call.right.attention.kv_lengths = world.numbers<int32_t>(DType::i32, {2}, {5, 3});
      const auto one = [](const CrossAttentionBlock& block, CrossAttentionCall own,
                          const Tensor& other) {
        own.context = other;
        return [&block, own](const Fusion& fusion) { return fusion.cross_attention(block, own); };
      };
      check(world, [&](Recorder& r) { return co_attention(r, left_block, right_block, call); },
            {{call.left.output, one(left_block, call.left, call.right.query)},
             {call.right.output, one(right_block, call.right, call.left.query)}});
    }
}

TEST_CASE("joint attention: three cameras are one softmax over all their keys") {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const size_t cameras : {1, 3}) {
      World world{device(), dtype};
      JointAttentionCall call{.output = world.output({2, 3, 5, 4}),
                              .logsumexp = world.output(DType::f32, {2, 3, 5})};
      const int64_t lengths[] = {7, 4, 9};
      for (size_t i = 0; i < cameras; ++i) {
        AttentionCall part{.query = world.rows({2, 3, 5, 4}),
                           .key = world.rows({2, 3, lengths[i], 4}),
                           .value = world.rows({2, 3, lengths[i], 4})};
        part.scale = 0.8f;
        if (i == 1) part.kv_lengths = world.numbers<int32_t>(DType::i32, {2}, {0, 2});
        if (i == 0) part.sinks = world.tensor(DType::f32, {3}, 1.0);
        call.parts.push_back(part);
      }
      // Softmax by hand: scores of every camera with its own queries, in one row.
      const auto both = [&](const Fusion& fusion) {
        Array output(2, 3, 5, 4), logsumexp(1, 2, 3, 5);
        for (int64_t b = 0; b < 2; ++b)
          for (int64_t h = 0; h < 3; ++h)
            for (int64_t i = 0; i < 5; ++i) {
              const Array sinks = fusion.read(call.parts[0].sinks);
              double sum = std::exp(sinks.values[static_cast<size_t>(h)]);
              for (const AttentionCall& part : call.parts) {
                const Array q = fusion.read(part.query), k = fusion.read(part.key),
                            v = fusion.read(part.value);
                const int64_t keys =
                    part.kv_lengths
                        ? static_cast<int64_t>(
                              fusion.read(part.kv_lengths).values[static_cast<size_t>(b)])
                        : k.shape[2];
                for (int64_t j = 0; j < keys; ++j) {
                  double score = 0;
                  for (int64_t c = 0; c < 4; ++c)
                    score += 0.8f * q.row(b, h, i)[c] * k.row(b, h, j)[c];
                  sum += std::exp(score);
                  for (int64_t c = 0; c < 4; ++c)
                    output.row(b, h, i)[c] += std::exp(score) * v.row(b, h, j)[c];
                }
              }
              for (int64_t c = 0; c < 4; ++c) output.row(b, h, i)[c] /= sum;
              logsumexp.row(0, b, h)[i] = std::log(sum);
            }
        return std::pair{output, logsumexp};
      };
      const ProgramStats stats =
          check(world, [&](Recorder& r) { return joint_attention(r, call); },
                {{call.output, [&](const Fusion& fusion) { return both(fusion).first; }},
                 {call.logsumexp, [&](const Fusion& fusion) { return both(fusion).second; }}});
      CHECK(stats.operations == 2 * cameras - 1);
    }
}

TEST_CASE("chunks of retrieved neighbours") {
  struct Row {
    int64_t batch, q_len, chunk_len;
    bool null_keys, angles, lengths, residual, feed_forward;
  };
  const Row rows[] = {
      {1, 8, 4, false, false, false, true, false}, {2, 11, 4, true, true, false, true, false},
      {2, 9, 4, false, false, true, false, true},  {2, 6, 3, true, false, true, false, false},
      {1, 5, 1, false, true, false, true, true},   {2, 3, 4, true, false, false, true, false},
      {2, 3, 4, false, false, false, false, false}};
  for (const DType dtype : {DType::f32, DType::f16})
    for (const Row& row : rows) {
      INFO("q_len " << row.q_len << ", chunk_len " << row.chunk_len << ", " << to_string(dtype));
      World world{device(), dtype};
      const int64_t chunks = row.q_len / row.chunk_len;
      CrossAttentionBlock block = make_block(world);
      block.query_norm = world.norm(NormKind::rms, 12);
      block.residual = row.residual;
      if (row.null_keys) block.null_key = world.tensor(DType::f32, {3, 1, 4}, 1.0);
      if (row.null_keys) block.null_value = world.tensor(DType::f32, {3, 1, 4}, 1.0);
      if (row.feed_forward) block.feed_forward = make_feed_forward(world, 12, 8, false);
      ChunkedAttentionCall call{.query = world.rows({row.batch, row.q_len, 12}),
                                .context = world.rows({row.batch, chunks, 6, 10}),
                                .output = world.output({row.batch, row.q_len, 12}),
                                .chunk_len = row.chunk_len};
      if (row.angles) call.query_angles = world.tensor(DType::f32, {row.chunk_len, 4}, 3.0);
      if (row.angles) call.key_angles = world.tensor(DType::f32, {6, 4}, 3.0);
      if (row.lengths) {
        std::vector<int32_t> lengths;
        for (int64_t i = 0; i < row.batch * chunks; ++i)
          lengths.push_back(static_cast<int32_t>(2 * i % 7));
        call.kv_lengths = world.numbers(DType::i32, {row.batch * chunks}, lengths);
      }
      check(world, [&](Recorder& r) { return chunked_cross_attention(r, block, call); },
            {{call.output, [&](const Fusion& fusion) { return fusion.chunked(block, call); }}});
      if (row.residual || row.feed_forward) continue;
      // Exactly nothing comes to the rows that see nothing, bias and null keys or not.
      const Array found = Fusion(world.on).read(call.output);
      for (int64_t b = 0; b < row.batch; ++b)
        for (int64_t i = 0; i < std::min(row.chunk_len - 1, row.q_len); ++i)
          for (int64_t c = 0; c < 12; ++c) CHECK(found.row(0, b, i)[c] == 0.0);
    }
}

TEST_CASE("similarities") {
  for (const DType dtype : {DType::f32, DType::f16})
    for (const int64_t dim : {10, 1200}) {
      World world{device(), dtype};
      Similarity block{.left = world.projection(dim, 8, false), .right = {}, .scale = 14.3f};
      Tensor left = world.rows({3, 8}), right = world.rows({5, dim});
      for (const DType type : {DType::f32, dtype}) {
        const Tensor output = world.output(type, {3, 5});
        check(world, [&](Recorder& r) { return similarity(r, block, left, right, output); },
              {{output, [&](const Fusion& f) {
                  return f.similarity(block, f.read(left), f.read(right));
                }}});
      }
    }
  World world{device()};
  const Tensor zeros = world.factors({1, 4}, {0, 0, 0, 0}), right = world.rows({2, 4}),
               output = world.output({1, 2});
  check(world, [&](Recorder& r) { return similarity(r, {}, zeros, right, output); },
        {{output, [](const Fusion&) { return Array(1, 1, 1, 2); }}});
}

TEST_CASE("stacks: latents, an input, steps of both streams, an output") {
  for (const DType dtype : {DType::f32, DType::f16}) {
    World world{device(), dtype};
    FusionStack stack;
    stack.family = "test";
    stack.latents = world.rows({4, 12});
    stack.input = world.projection(10, 6);
    stack.steps = {{.block = block_of(world, 12, 10)},
                   {.block = block_of(world, 12, 12), .self = true},
                   {.block = block_of(world, 10, 12), .swapped = true}};
    stack.output = world.projection(9, 12);
    stack.last_norm = world.norm(NormKind::layer, 9);
    FusionCall call;
    call.context = world.rows({2, 7, 6});
    call.output = world.output({2, 4, 9});
    call.context_output = world.output({2, 7, 10});
    call.query_position = world.rows({4, 12});
    call.context_position = world.rows({1, 7, 10});
    call.attention.kv_lengths = world.numbers<int32_t>(DType::i32, {2}, {3, 6});
    const auto streams = [&](const Fusion& fusion) {
      Array begin(1, 2, 4, 12);
      const Array latents = fusion.read(stack.latents);
      for (size_t i = 0; i < begin.values.size(); ++i)
        begin.values[i] = latents.values[i % latents.values.size()];
      Array query = begin, context = fusion.projected(stack.input, fusion.read(call.context));
      const auto step = [&](size_t i, const Array& from, const Array& to,
                            const Tensor& from_position, const Tensor& to_position, bool lengths) {
        CrossAttentionCall one{.query = uploaded(world, from), .context = uploaded(world, to)};
        one.query_position = from_position;
        one.context_position = to_position;
        if (lengths) one.attention.kv_lengths = call.attention.kv_lengths;
        return fusion.cross_attention(stack.steps[i].block, one);
      };
      query = step(0, query, context, call.query_position, call.context_position, true);
      query = step(1, query, query, call.query_position, call.query_position, false);
      context = step(2, context, query, call.context_position, call.query_position, false);
      return std::pair{fusion.normed(stack.last_norm, fusion.projected(stack.output, query)),
                       context};
    };
    check(world, [&](Recorder& r) { return fuse(r, stack, call); },
          {{call.output, [&](const Fusion& fusion) { return streams(fusion).first; }},
           {call.context_output, [&](const Fusion& fusion) { return streams(fusion).second; }}});
  }
}

TEST_CASE("stacks: two steps together read the same state, further ones the new one") {
  for (const bool together : {false, true}) {
    World world{device()};
    FusionStack stack;
    stack.steps = {{.block = block_of(world, 12, 12)},
                   {.block = block_of(world, 12, 12),
                    .swapped = true,
                    .together = together,
                    .positions = false}};
    FusionCall call{.query = world.rows({2, 5, 12}),
                    .context = world.rows({2, 7, 12}),
                    .output = world.output({2, 5, 12}),
                    .context_output = world.output({2, 7, 12})};
    call.query_position = world.rows({2, 5, 12});
    call.row_factors = world.factors({2, 5}, {0, 1});
    const auto query = [&](const Fusion& fusion) {
      CrossAttentionCall one{.query = call.query, .context = call.context};
      one.query_position = call.query_position;
      one.row_factors = call.row_factors;
      return fusion.cross_attention(stack.steps[0].block, one);
    };
    const auto context = [&](const Fusion& fusion) {
      const Tensor other = together ? call.query : uploaded(world, query(fusion));
      return fusion.cross_attention(stack.steps[1].block,
                                    {.query = call.context, .context = other});
    };
    check(world, [&](Recorder& r) { return fuse(r, stack, call); },
          {{call.output, query}, {call.context_output, context}});
  }
}

TEST_CASE("stacks: nothing to do copies, chunks and similarities run as they do alone") {
  World world{device()};
  FusionCall call{.query = world.rows({2, 5, 12}),
                  .context = world.rows({2, 7, 10}),
                  .output = world.output({2, 5, 12}),
                  .context_output = world.output({2, 7, 10})};
  check(world, [&](Recorder& r) { return fuse(r, {}, call); },
        {{call.output, [&](const Fusion& fusion) { return fusion.read(call.query); }},
         {call.context_output, [&](const Fusion& fusion) { return fusion.read(call.context); }}});

  FusionStack chunks;
  chunks.chunk_len = 2;
  chunks.steps = {{.block = make_block(world)}};
  FusionCall retrieved{
      .query = call.query, .context = world.rows({2, 2, 3, 10}), .output = call.output};
  const ChunkedAttentionCall alone{
      .query = call.query, .context = retrieved.context, .chunk_len = 2};
  check(world, [&](Recorder& r) { return fuse(r, chunks, retrieved); },
        {{call.output,
          [&](const Fusion& fusion) { return fusion.chunked(chunks.steps[0].block, alone); }}});

  FusionStack similar;
  similar.similarity =
      Similarity{.left = world.projection(6, 12), .right = world.projection(6, 10)};
  const FusionCall rows{
      .query = world.rows({3, 12}), .context = world.rows({4, 10}), .output = world.output({3, 4})};
  check(world, [&](Recorder& r) { return fuse(r, similar, rows); },
        {{rows.output, [&](const Fusion& fusion) {
            return fusion.similarity(*similar.similarity, fusion.read(rows.query),
                                     fusion.read(rows.context));
          }}});
}
