// The floors: faults by their text and their clock; the rows of a stored message are those that a
// worker writes; the store's loop counts what it wrote; the relay finds whom nobody told it of.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bench/floor/fault.h"
#include "bench/floor/message_rows.h"
#include "bench/floor/relay.h"
#include "bench/floor/stop_signals.h"
#include "bench/floor/store_load.h"
#include "tests/support/deaf_accept.h"
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
    CHECK(op == (at < 2 ? logic::StoreBatch::Op::kAppend : logic::StoreBatch::Op::kPut));
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

TEST_CASE("store-floor: a signal ends it before the next batch; what it replaced is put back") {
  const testing::TempDir folder(testing::TempDir::Place::kInMemory);
  StoreLoadOptions options;
  options.recipients = 100;
  StoreLoad load(folder.path(), options);
  const auto tally = std::make_unique<Tally>();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CAPTURE(signal);
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    {
      const StopSignals signals;
      CHECK(stop_asked() == 0);
      raise(signal);
      CHECK(stop_asked() == signal);
      const std::uint64_t rows = load.rows();
      CHECK_THROWS_AS(load.run_until(~std::uint64_t{0}, *tally), Stopped);
      CHECK(load.rows() == rows);
    }
    struct sigaction after {};
    sigaction(signal, nullptr, &after);
    CHECK((after.sa_handler == before.sa_handler));
  }
  const StopSignals none;  // forgets the last one
  load.run_until(1, *tally);
}

// ---- the relay ---------------------------------------------------------------------------------

// Connects as number `number`; false: its hello was not acknowledged within 5 s.
bool greets(const sockaddr_in& address, char number) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const char hello[] = {4, number, 0, 0, 0};
  ssize_t received = 0;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello) {
    char answer[2];
    do {  // EINTR: what uring_is_refused() left is tidied up in this thread
      received = recv(fd, answer, sizeof answer, MSG_WAITALL);
    } while (received < 0 && errno == EINTR);
  }
  close(fd);
  return received == 2;
}

bool uring_is_refused() {
  io_uring ring{};
  const int result = io_uring_queue_init(2, &ring, 0);
  if (result == 0) io_uring_queue_exit(&ring);
  if (result != 0) MESSAGE("SKIPPED, io_uring is refused: ", -result);
  return result != 0;
}

TEST_CASE("floor: who waits in the listener is found although its accept is not woken") {
  if (uring_is_refused()) return;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  REQUIRE(listen(listener, 16) == 0);
  int deafened[2];  // before that, the deaf accept would take who comes
  REQUIRE(pipe2(deafened, O_CLOEXEC) == 0);
  const pid_t test = getpid();
  const pid_t floor = fork();
  REQUIRE(floor >= 0);
  if (floor == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != test) _exit(1);
    const testing::DeafAccept deaf(listener);
    // Is there when the accept is armed: who has taken somebody looks again.
    const int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(first, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) _exit(1);
    if (write(deafened[1], "", 1) != 1) _exit(1);
    RelayFloor(listener, 2, {}).run();
  }
  close(listener);
  close(deafened[1]);
  char is_deaf = 1;
  CHECK(read(deafened[0], &is_deaf, 1) == 1);
  close(deafened[0]);
  for (char number = 0; number < 3; ++number) {
    CAPTURE(number);
    CHECK(greets(address, number));
  }
  kill(floor, SIGKILL);
  waitpid(floor, nullptr, 0);
}

}  // namespace
}  // namespace ims::bench
