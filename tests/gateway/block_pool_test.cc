// Free blocks: reused, kept for what was taken at most of late, and given back after it.
#include "gateway/block_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ims::gateway {
namespace {

constexpr std::size_t kBytes = 16 * kKiB;  // a size class
constexpr std::size_t kRoom = kBytes - sizeof(Block);
constexpr std::size_t kMaxCount = BlockPool::kFreeBytesMax / kBytes;

std::vector<Block*> take(BlockPool& pool, std::size_t count) {
  std::vector<Block*> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(pool.take(kRoom));
  return blocks;
}

void give(BlockPool& pool, const std::vector<Block*>& blocks) {
  for (Block* block : blocks) pool.give(block);
}

TEST_CASE("block pool: the block given last is the first taken, empty") {
  BlockPool pool;
  Block* const block = pool.take(kRoom);
  CHECK(block->capacity == kRoom);
  block->end = 7;
  pool.give(block);
  CHECK(pool.free_bytes() == kBytes);
  CHECK(pool.used_bytes() == 0);
  Block* const again = pool.take(kRoom);
  CHECK(again == block);
  CHECK(again->size() == 0);
  CHECK(pool.free_bytes() == 0);
  CHECK(pool.used_bytes() == kBytes);
  pool.give(again);
}

TEST_CASE("block pool: up to kFreeBytesMax is kept for ever, whatever the peak was") {
  for (const std::size_t count : {kMaxCount - 1, kMaxCount, kMaxCount + 1}) {
    CAPTURE(count);
    BlockPool pool;
    give(pool, take(pool, count));
    CHECK(pool.free_bytes() == count * kBytes);
    pool.begin_window();
    pool.begin_window();
    pool.trim();
    CHECK(pool.free_bytes() == std::min(count, kMaxCount) * kBytes);
  }
}

TEST_CASE("block pool: a peak's blocks are kept in its window and the next") {
  BlockPool pool;
  const std::size_t count = 3 * kMaxCount;
  for (int window = 0; window < 4; ++window) {  // it comes again and again: nothing is allocated
    CAPTURE(window);
    const auto blocks = take(pool, count);
    CHECK(pool.free_bytes() == 0);
    give(pool, blocks);
    CHECK(pool.free_bytes() == count * kBytes);
    pool.begin_window();
    pool.trim();
    CHECK(pool.free_bytes() == count * kBytes);
  }
  pool.begin_window();
  pool.trim();
  CHECK(pool.free_bytes() == kMaxCount * kBytes);
}

TEST_CASE("block pool: a trim gives kTrimmedMax blocks back at most") {
  BlockPool pool;
  const std::size_t count = kMaxCount + BlockPool::kTrimmedMax + 1;
  give(pool, take(pool, count));
  pool.begin_window();
  pool.begin_window();
  pool.trim();
  CHECK(pool.free_bytes() == (kMaxCount + 1) * kBytes);
  pool.trim();
  CHECK(pool.free_bytes() == kMaxCount * kBytes);
}

TEST_CASE("block pool: taken and free together stay within the peak, or kFreeBytesMax above") {
  BlockPool pool;
  give(pool, take(pool, 2 * kMaxCount));  // a peak of twice kFreeBytesMax, now free
  std::vector<Block*> others;
  for (std::size_t i = 0; i < 4 * kMaxCount; ++i) {  // of another class: none of the free ones fits
    others.push_back(pool.take(BlockPool::kClassBytes[4] - sizeof(Block)));
    const std::size_t used = pool.used_bytes();
    CHECK(used + pool.free_bytes() <=
          std::max(2 * kMaxCount * kBytes, used + BlockPool::kFreeBytesMax));
  }
  CHECK(pool.free_bytes() == BlockPool::kFreeBytesMax);
  give(pool, others);
}

TEST_CASE("block pool: a block beyond the classes is never kept") {
  BlockPool pool;
  Block* const block = pool.take(BlockPool::kClassBytes.back());
  CHECK(block->size_class == BlockPool::kClassCount);
  pool.give(block);
  CHECK(pool.free_bytes() == 0);
  CHECK(pool.used_bytes() == 0);
}

}  // namespace
}  // namespace ims::gateway
