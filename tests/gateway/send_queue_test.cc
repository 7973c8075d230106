// Blocks and the queue of owed bytes.
#include "gateway/send_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "shared/prng.h"

using namespace ims;
using namespace ims::gateway;

namespace {

// Returns what had to be moved for it.
std::uint64_t add(SendQueue& queue, BlockPool& pool, const std::string& frame, bool row,
                  bool in_flight) {
  std::uint64_t moved_bytes = 0;
  if (queue.room(frame.size()) == nullptr) {
    moved_bytes += queue.grow(pool, frame.size(), in_flight);
  }
  std::memcpy(queue.room(frame.size()), frame.data(), frame.size());
  queue.append(frame.size(), row);
  return moved_bytes;
}

}  // namespace

TEST_CASE("pool: a block has room for what was asked, and is counted by its class") {
  BlockPool pool;
  std::size_t expected = 0;
  for (const std::size_t bytes : {1u, 160u, 161u, 480u, 481u, 2016u, 2017u, 16352u, 16353u, 70'000u,
                                  290'000u, 1'200'000u, 4'718'560u, 5'000'000u}) {
    CAPTURE(bytes);
    Block* block = pool.take(bytes);
    CHECK(block->capacity >= bytes);
    CHECK(block->size() == 0);
    std::memset(block->data(), 0xab, block->capacity);
    CHECK(pool.used_bytes() == block->capacity + sizeof(Block));
    pool.give(block);
    CHECK(pool.used_bytes() == expected);
  }
  Block* first = pool.take(100);
  pool.give(first);
  CHECK(pool.take(100) == first);  // the last one given, while it is in the cache
  pool.give(first);
}

TEST_CASE("queue: small frames lie side by side up to 16 KiB, so that one send carries them") {
  BlockPool pool;
  SendQueue queue;
  std::string expected;
  for (int i = 0; i < 150; ++i) {
    const std::string frame(100, static_cast<char>('a' + i % 26));
    add(queue, pool, frame, i % 2 == 0, false);
    expected += frame;
  }
  CHECK(as_text(queue.front()) == expected);
  CHECK(queue.bytes() == 15'000);
  CHECK(queue.rows() == 75);
  queue.clear(pool);
  CHECK(pool.used_bytes() == 0);
  CHECK(queue.empty());
}

TEST_CASE("queue: a busy connection's first block is as large as its last ones had to become") {
  BlockPool pool;
  SendQueue queue;
  const std::string frame(170, 'f');
  const auto turn = [&](int frames) {
    std::uint64_t moved_bytes = 0;
    for (int i = 0; i < frames; ++i) moved_bytes += add(queue, pool, frame, false, false);
    while (!queue.empty()) queue.on_taken(pool, queue.front().size());
    return moved_bytes;
  };
  CHECK(turn(2) == 0);
  CHECK(turn(32) > 0);
  CHECK(turn(32) == 0);
  CHECK(turn(32) == 0);
  for (int i = 0; i < 8; ++i) CHECK(turn(1) == 0);  // few frames for a while: small blocks again
  REQUIRE(add(queue, pool, frame, false, false) == 0);
  CHECK(pool.used_bytes() == BlockPool::kClassBytes[1]);
  queue.clear(pool);
}

TEST_CASE("queue: what is in flight never moves, and may be appended to") {
  BlockPool pool;
  SendQueue queue;
  add(queue, pool, std::string(100, 'a'), true, false);
  const ByteView flying = queue.front();
  add(queue, pool, std::string(50, 'b'), true, true);
  CHECK(queue.front().data() == flying.data());
  CHECK(queue.front().size() == 150);
  for (int i = 0; i < 100; ++i) add(queue, pool, std::string(300, 'c'), false, true);
  CHECK(queue.front().data() == flying.data());
  CHECK(as_text(flying) == std::string(100, 'a'));
  CHECK(queue.on_taken(pool, 100) == 1);
  queue.clear(pool);
}

TEST_CASE("queue: a frame of any size, rows counted by their last byte") {
  BlockPool pool;
  for (const std::size_t bytes :
       {1u, 155u, 156u, 157u, 476u, 2012u, 16'348u, 65'541u, 1'048'581u}) {
    CAPTURE(bytes);
    SendQueue queue;
    add(queue, pool, std::string(bytes, 'x'), true, false);
    add(queue, pool, std::string(bytes, 'y'), true, false);
    CHECK(queue.rows() == 2);
    std::size_t left = 2 * bytes;
    // All but the last byte of the first frame.
    if (bytes > 1) {
      CHECK(queue.on_taken(pool, bytes - 1) == 0);
      CHECK(queue.rows() == 2);
      left -= bytes - 1;
    }
    CHECK(queue.on_taken(pool, 1) == 1);
    CHECK(queue.rows() == 1);
    left = bytes;
    while (!queue.empty()) {
      const std::size_t piece = std::min<std::size_t>(queue.front().size(), left);
      queue.on_taken(pool, piece);
      left -= piece;
    }
    CHECK(queue.rows() == 0);
    CHECK(left == 0);
    CHECK(pool.used_bytes() == 0);
  }
}

TEST_CASE("queue: random appends and short sends give the same bytes and rows as a string") {
  Prng prng(5);
  for (int round = 0; round < 200; ++round) {
    BlockPool pool;
    SendQueue queue;
    std::string owed;
    std::string taken;
    std::vector<std::size_t> row_ends;
    std::size_t rows_taken = 0;
    std::size_t in_flight = 0;
    for (int step = 0; step < 300; ++step) {
      if (prng.chance(60)) {
        const std::string frame(1 + prng.below(prng.chance(10) ? 30'000 : 400),
                                static_cast<char>('a' + prng.below(26)));
        const bool row = prng.chance(50);
        add(queue, pool, frame, row, in_flight > 0);
        owed += frame;
        if (row) row_ends.push_back(owed.size());
      } else if (in_flight == 0 && !queue.empty()) {
        in_flight = queue.front().size();
      } else if (in_flight > 0) {
        const std::size_t bytes = prng.chance(50) ? in_flight : 1 + prng.below(in_flight);
        taken += as_text(queue.front().first(bytes));
        rows_taken += queue.on_taken(pool, bytes);
        in_flight = 0;
        std::size_t expected = 0;
        for (const std::size_t end : row_ends) expected += end <= taken.size() ? 1 : 0;
        REQUIRE(rows_taken == expected);
      }
      REQUIRE(queue.bytes() == owed.size() - taken.size());
      REQUIRE(queue.rows() == row_ends.size() - rows_taken);
    }
    CHECK(owed.compare(0, taken.size(), taken) == 0);
    queue.clear(pool);
    CHECK(pool.used_bytes() == 0);
  }
}
