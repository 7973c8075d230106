// ByteRing: records in order, full and again free, records that stay with the consumer, a consumer
// that left.
#include "shared/byte_ring.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

namespace ims {
namespace {

constexpr std::size_t kCapacity = 4096;

bool put(ByteRing& ring, std::uint32_t size, char fill) {
  std::byte* const room = ring.try_reserve(size);
  if (room == nullptr) return false;
  std::memset(room, fill, size);
  std::memcpy(room, &size, sizeof size);
  ring.commit(size);
  return true;
}

char fill_of(ByteView record) { return static_cast<char>(record.back()); }

TEST_CASE("records come in order, none before it was published") {
  ByteRing ring("test", kCapacity);
  CHECK(ring.empty());
  REQUIRE(put(ring, 16, 'a'));
  REQUIRE(put(ring, 64, 'b'));
  CHECK(ring.empty());
  CHECK(ring.publish());
  CHECK_FALSE(ring.publish());
  for (const auto& [size, fill] : {std::pair{16u, 'a'}, std::pair{64u, 'b'}}) {
    const ByteView record = ring.front();
    REQUIRE(record.size() == size);
    CHECK(fill_of(record) == fill);
    ring.pop(record);
  }
  CHECK(ring.empty());
}

TEST_CASE("popped records keep their place until they are released") {
  ByteRing ring("test", kCapacity);
  for (int i = 0; i < 16; ++i) REQUIRE(put(ring, 256, static_cast<char>('a' + i)));
  CHECK_FALSE(put(ring, 256, 'z'));
  ring.publish();

  const ByteView first = ring.front();
  CHECK(ring.holds(first.data()));
  const std::string copy(256, 'a');
  CHECK_FALSE(ring.holds(copy.data()));
  const std::uint32_t offset = ring.offset(first.data());
  ring.pop(first);
  const std::uint64_t behind_first = ring.popped();
  ring.pop(ring.front());
  CHECK(ring.kept_bytes() == 512);
  CHECK_FALSE(put(ring, 256, 'z'));
  CHECK(fill_of(ring.record(offset)) == 'a');

  ring.release_to(behind_first);
  CHECK(ring.kept_bytes() == 256);
  CHECK(put(ring, 256, 'y'));
  CHECK_FALSE(put(ring, 256, 'z'));
  ring.release();
  CHECK(ring.kept_bytes() == 0);
  CHECK(put(ring, 256, 'z'));
}

TEST_CASE("the producer learns what was consumed when it is released") {
  ByteRing ring("test", kCapacity);
  CHECK(ring.consumed(ring.written()));
  REQUIRE(put(ring, 64, 'a'));
  const std::uint64_t behind_first = ring.written();
  REQUIRE(put(ring, 64, 'b'));
  ring.publish();
  CHECK_FALSE(ring.consumed(behind_first));
  ring.pop(ring.front());
  CHECK_FALSE(ring.consumed(behind_first));
  ring.release();
  CHECK(ring.consumed(behind_first));
  CHECK_FALSE(ring.consumed(ring.written()));
}

TEST_CASE("nobody waits for a consumer that left") {
  ByteRing ring("test", kCapacity);
  REQUIRE(put(ring, 64, 'a'));
  ring.publish();
  CHECK_FALSE(ring.consumed(ring.written()));
  ring.abandon();
  CHECK(ring.consumed(ring.written()));
}

TEST_CASE("a record never wraps, wherever it begins") {
  ByteRing ring("test", kCapacity);
  for (int i = 0; i < 200; ++i) {
    const auto size = static_cast<std::uint32_t>(8 * (2 + i % 60));
    REQUIRE(put(ring, size, static_cast<char>(i)));
    ring.publish();
    const ByteView record = ring.front();
    REQUIRE(record.size() == size);
    CHECK(fill_of(record) == static_cast<char>(i));
    CHECK(ring.holds(record.data()));
    CHECK(ring.record(ring.offset(record.data())).size() == size);
    ring.pop(record);
    ring.release();
  }
}

}  // namespace
}  // namespace ims
