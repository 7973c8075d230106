// The floors: faults by their text and their clock; the rows of a stored message are those that a
// worker writes; the store's loop counts what it wrote.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "bench/floor/fault.h"
#include "bench/floor/message_rows.h"
#include "bench/floor/store_load.h"
#include "tests/support/temp_dir.h"

namespace ims::bench {
namespace {

TEST_CASE("faults: every kind, and what is none") {
  CHECK(parse_fault("drop=1")->kind == Fault::Kind::kDrop);
  CHECK(parse_fault("dup=2")->kind == Fault::Kind::kDup);
  CHECK(parse_fault("reorder=3")->kind == Fault::Kind::kReorder);
  CHECK(parse_fault("corrupt=4")->kind == Fault::Kind::kCorrupt);
  CHECK(parse_fault("noack=5")->kind == Fault::Kind::kNoAck);
  CHECK(parse_fault("stray=6")->every == 6);
  for (const char* text : {"", "drop", "drop=", "drop=0", "drop=-1", "drop=1x", "lose=5", "=5"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_fault(text).has_value());
  }
}

TEST_CASE("a fault comes every Nth frame") {
  FaultClock clock(*parse_fault("drop=3"));
  for (int round = 0; round < 3; ++round) {
    CHECK(clock.next() == Fault::Kind::kNone);
    CHECK(clock.next() == Fault::Kind::kNone);
    CHECK(clock.next() == Fault::Kind::kDrop);
  }
  FaultClock none({});
  for (int i = 0; i < 5; ++i) CHECK(none.next() == Fault::Kind::kNone);
}

TEST_CASE("the rows of a stored message can be read as a worker's") {
  MessageRows maker(7, "org", "app", TenantId{3});
  Inbox inbox = maker.inbox_of("ben", UserId{42});
  CHECK(inbox.key.id == 42);
  logic::StoreBatch batch;
  const std::string payload = "hello";
  const std::string client_id = "id-1";
  const StoredMessage message{.sender = UserId{9}, .from = "ann", .to = "ben",
                              .payload = as_bytes(payload), .client_id = as_bytes(client_id),
                              .time_ms = 5'000};
  maker.append(batch, inbox, message);
  maker.append(batch, inbox, message);
  maker.append_head(batch, inbox, "ben");
  CHECK(batch.count() == 3);
  int at = 0;
  batch.for_each([&](logic::Table table, logic::StoreBatch::Op op, std::string_view key,
                     std::string_view value) {
    CHECK(op == logic::StoreBatch::Op::kPut);
    if (at < 2) {
      CHECK(table == logic::Table::kRows);
      CHECK(key == logic::row_key(inbox.key, at == 0 ? 1 : 2));
      const auto row = logic::decode_row(value);
      REQUIRE(row.has_value());
      CHECK(row->sender.value == 9);
      CHECK(row->time_ms == 5'000);
      CHECK(row->message().find("hello") != std::string_view::npos);
    } else {
      CHECK(table == logic::Table::kMeta);
      CHECK(key == logic::user_key(inbox.key.partition, TenantId{3}, "ben"));
      const auto row = logic::decode_user(value);
      REQUIRE(row.has_value());
      CHECK(row->inbox.head == 2);
      CHECK(row->inbox.first_time_ms == 5'000);
    }
    ++at;
  });
}

// Runs for a moment: how much it writes in it is not asserted, only that the counts agree.
void expect_counts(const StoreLoadOptions& options, std::uint64_t messages_per_batch,
                   std::uint64_t rows_per_batch) {
  const testing::TempDir folder(testing::TempDir::Place::kInMemory);
  StoreLoad load(folder.path(), options);
  CHECK(load.rows() == 0);
  const auto tally = std::make_unique<Tally>();
  const auto now = static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
  load.run_until(now + 20'000'000, *tally);
  REQUIRE(load.batches() > 0);
  CHECK(tally->total.answered == load.batches() * messages_per_batch);
  CHECK(tally->total.sent == tally->total.answered);
  CHECK(load.rows() == load.batches() * rows_per_batch);
}

TEST_CASE("store-floor: batches of what is outstanding, at most 1,024; two rows a message") {
  StoreLoadOptions options;
  options.recipients = 5'000;
  options.connections = 4;
  options.window = 8;
  SUBCASE("what is outstanding") { expect_counts(options, 32, 2 * 32); }
  SUBCASE("at most 1,024") {
    options.connections = 1'000;
    expect_counts(options, 1'024, 2 * 1'024);
  }
  SUBCASE("no client_id") {
    options.client_ids = false;
    expect_counts(options, 32, 2 * 32);
  }
  SUBCASE("fewer recipients than messages: one user row each") {
    options.recipients = 10;
    expect_counts(options, 32, 32 + 10);
  }
}

}  // namespace
}  // namespace ims::bench
