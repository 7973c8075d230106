// imsfill: a store of any size, written directly: users, and rows in their inboxes, as a server
// would have left them. The tenant must exist (imsctl app add); no server may run over the data
// directory.
//
//   imsfill --data DIR --org bench --appkey load --users 2000000 --rows 20000000
//
// Users are named as imsload names them (u0000000, ...). Rows are spread evenly, so that each inbox
// holds rows / users of them, the first users one more. All rows are of now, from user 0.
// Errors   A message and exit code 1; what was written stays.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>

#include "bench/load_wire.h"
#include "deploy/data_dir.h"
#include "logic/keys.h"
#include "logic/rows.h"
#include "logic/store_identity.h"
#include "logic/store_options.h"
#include "logic/store_rocks.h"
#include "logic/tenant.h"
#include "shared/clock.h"
#include "shared/encode.h"
#include "shared/route.h"

namespace ims::bench {
namespace {

constexpr std::size_t kBatchBytes = 4 * kMiB;

struct FillOptions {
  std::string data;
  std::string org = "bench";
  std::string appkey = "load";
  std::uint64_t users = 0;
  std::uint64_t rows = 0;
  std::uint32_t payload_bytes = 100;
};

class FindTenant final : public logic::RowVisitor {
 public:
  explicit FindTenant(const FillOptions& options) : options_(options) {}
  bool on_row(std::string_view, std::string_view value) override {
    const auto tenant = logic::decode_tenant(value);
    if (tenant && tenant->org == options_.org && tenant->appkey == options_.appkey) id = tenant->id;
    return !id;
  }
  std::optional<TenantId> id;

 private:
  const FillOptions& options_;
};

class Filler {
 public:
  explicit Filler(const FillOptions& options)
      : options_(options),
        store_(DataDir{options.data}.store().string(), store_options()),
        identity_(logic::open_identity(store_)),
        wall_ms_(read_clock().wall_ms),
        payload_(options.payload_bytes, 'x') {
    FindTenant found(options);
    store_.scan(logic::Table::kMeta, "t", "u", false, logic::ReadTier::kMayBlock, found);
    if (!found.id) throw std::runtime_error("no tenant " + options.org + "/" + options.appkey);
    tenant_ = *found.id;
    tenant_hash_ = hash_tenant(identity_.seed, options.org, options.appkey);
  }

  void fill() {
    for (std::uint64_t user = 0; user < options_.users; ++user) {
      add_user(static_cast<std::uint32_t>(user));
      if (batch_.size_bytes() >= kBatchBytes) write(false);
    }
    write(true);
    if (store_.sync() != logic::StoreStatus::kOk) throw std::runtime_error("the sync failed");
  }

 private:
  static logic::StoreOptions store_options() {
    logic::StoreOptions options;
    options.write_buffer_bytes = 256 * kMiB;
    return options;
  }

  // Unique as the server makes them (worker.cc, next_id): boot, worker 0, counter.
  UserId id_of(std::uint32_t user) const {
    return UserId{(std::uint64_t{identity_.boot & 0xff'ffff} << 40) | (user + 1)};
  }

  void add_user(std::uint32_t user) {
    const std::string name = user_name(user);
    const std::uint64_t hash = hash_name(identity_.seed, tenant_hash_, NameKind::kUser, name);
    const logic::TimelineKey inbox{partition_of(hash), id_of(user).value};
    const std::uint64_t rows =
        options_.rows / options_.users + (user < options_.rows % options_.users ? 1 : 0);
    for (std::uint64_t seq = 1; seq <= rows; ++seq) add_row(inbox, name, seq);
    logic::UserRow row;
    row.id = id_of(user);
    row.inbox.head = rows;
    if (rows > 0) row.inbox.first_time_ms = row.inbox.last_time_ms = wall_ms_;
    batch_.put(logic::Table::kMeta, logic::user_key(inbox.partition, tenant_, name),
               logic::encode_user(row));
  }

  void add_row(const logic::TimelineKey& inbox, const std::string& to, std::uint64_t seq) {
    MessageFields fields;
    fields.payload = as_bytes(payload_);
    fields.from = from_;
    fields.to = to;
    fields.seq = seq;
    fields.time_ms = wall_ms_;
    value_.clear();
    logic::append_row_header(value_, wall_ms_, {}, id_of(0), logic::RowKind::kMessage);
    const std::size_t header_bytes = value_.size();
    value_.resize(header_bytes + push_message_bytes(fields));
    write_push_message(reinterpret_cast<std::byte*>(value_.data()) + header_bytes, fields);
    batch_.put(logic::Table::kRows, logic::row_key(inbox, seq), value_);
  }

  void write(bool sync) {
    const logic::StoreBatch* const batches[] = {&batch_};
    if (!batch_.empty() && store_.write(batches, 1, sync) != logic::StoreStatus::kOk) {
      throw std::runtime_error("the store refused a batch");
    }
    batch_.clear();
  }

  const FillOptions options_;
  logic::RocksStore store_;
  const logic::StoreIdentity identity_;
  const std::int64_t wall_ms_;
  const std::string payload_;
  const std::string from_ = user_name(0);
  TenantId tenant_;
  std::uint64_t tenant_hash_ = 0;
  logic::StoreBatch batch_;
  std::string value_;
};

}  // namespace
}  // namespace ims::bench

int main(int argc, char** argv) {
  ims::bench::FillOptions options;
  CLI::App app("Fills a store of imsd with users and rows.");
  app.add_option("--data", options.data, "the server's data directory")->required();
  app.add_option("--org", options.org);
  app.add_option("--appkey", options.appkey);
  app.add_option("--users", options.users)->required()->check(CLI::Range(1u, 100'000'000u));
  app.add_option("--rows", options.rows);
  app.add_option("--payload", options.payload_bytes);
  CLI11_PARSE(app, argc, argv);
  try {
    const auto begin = std::chrono::steady_clock::now();
    ims::bench::Filler(options).fill();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%llu users and %llu rows in %.1f s\n",
                static_cast<unsigned long long>(options.users),
                static_cast<unsigned long long>(options.rows), took.count());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsfill: %s\n", error.what());
    return 1;
  }
  return 0;
}
