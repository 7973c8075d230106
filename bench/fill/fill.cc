// Users and rows of a store, written as a server would have left them (fill.h).
#include "bench/fill/fill.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/floor/message_rows.h"
#include "bench/load/wire.h"
#include "bench/report/report.h"
#include "deploy/data_dir.h"
#include "logic/durable_store.h"
#include "logic/store_identity.h"
#include "logic/store_options.h"
#include "logic/tenant.h"
#include "shared/clock.h"
#include "shared/limits.h"

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
  bool interleaved = false;
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
        store_(logic::open_store(StoreEngine::kAuto, DataDir{options.data}.store().string(),
                                 store_options())),
        identity_(logic::open_identity(*store_)),
        wall_ms_(read_clock().wall_ms),
        payload_(options.payload_bytes, 'x') {
    FindTenant found(options);
    store_->scan(logic::Table::kMeta, "t", "u", false, logic::ReadTier::kMayBlock, found);
    if (!found.id) throw std::runtime_error("no tenant " + options.org + "/" + options.appkey);
    maker_.emplace(identity_.seed, options.org, options.appkey, *found.id);
  }

  void fill() {
    if (options_.interleaved) {
      fill_interleaved();
    } else {
      for (std::uint64_t user = 0; user < options_.users; ++user) {
        add_user(static_cast<std::uint32_t>(user));
        if (batch_.size_bytes() >= kBatchBytes) write(false);
      }
    }
    write(true);
    if (store_->sync() != logic::StoreStatus::kOk) throw std::runtime_error("the sync failed");
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
    const std::string name(UserName(user).view());
    Inbox inbox = maker_->inbox_of(name, id_of(user));
    const std::uint64_t rows =
        options_.rows / options_.users + (user < options_.rows % options_.users ? 1 : 0);
    for (std::uint64_t i = 0; i < rows; ++i) add_row(inbox, name);
    maker_->append_head(batch_, inbox, name);
  }

  void add_row(Inbox& inbox, std::string_view name) {
    maker_->append(batch_, inbox,
                   {.sender = id_of(0), .from = from_, .to = name, .payload = as_bytes(payload_),
                    .client_id = {}, .time_ms = wall_ms_});
  }

  // As a server over time: each user's next row after everybody's last, and their user rows.
  void fill_interleaved() {
    std::vector<Inbox> inboxes;
    for (std::uint64_t user = 0; user < options_.users; ++user) {
      const auto index = static_cast<std::uint32_t>(user);
      inboxes.push_back(maker_->inbox_of(UserName(index).view(), id_of(index)));
    }
    for (std::uint64_t row = 0; row < options_.rows; ++row) {
      const auto user = static_cast<std::uint32_t>(row % options_.users);
      add_row(inboxes[user], UserName(user).view());
      maker_->append_head(batch_, inboxes[user], UserName(user).view());
      if (batch_.size_bytes() >= kBatchBytes) write(false);
    }
    for (std::uint64_t user = options_.rows; user < options_.users; ++user) {
      maker_->append_head(batch_, inboxes[user], UserName(static_cast<std::uint32_t>(user)).view());
    }
  }

  void write(bool sync) {
    const logic::StoreBatch* const batches[] = {&batch_};
    if (!batch_.empty() && store_->write(batches, 1, sync) != logic::StoreStatus::kOk) {
      throw std::runtime_error("the store refused a batch");
    }
    batch_.clear();
  }

  const FillOptions options_;
  const std::unique_ptr<logic::DurableStore> store_;
  const logic::StoreIdentity identity_;
  const std::int64_t wall_ms_;
  const std::string payload_;
  const std::string from_ = std::string(UserName(0).view());
  std::optional<MessageRows> maker_;
  logic::StoreBatch batch_;
};

int run_fill(const FillOptions& options) {
  try {
    const auto begin = std::chrono::steady_clock::now();
    Filler(options).fill();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%llu users and %llu rows in %.1f s\n",
                static_cast<unsigned long long>(options.users),
                static_cast<unsigned long long>(options.rows), took.count());
    return kExitMet;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsbench fill: %s\n", error.what());
    return kExitFailed;
  }
}

}  // namespace

void add_fill_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<FillOptions>();
  CLI::App* const command = app.add_subcommand("fill", "a store of any size, written directly");
  command->add_option("--data", options->data, "the server's data directory; no server over it")
      ->required();
  command->add_option("--org", options->org)->capture_default_str();
  command->add_option("--appkey", options->appkey)->capture_default_str();
  command->add_option("--users", options->users)->required()->check(CLI::Range(1u, 10'000'000u));
  command->add_option("--rows", options->rows, "over all inboxes");
  command->add_option("--payload", options->payload_bytes, "bytes of a row")
      ->capture_default_str();
  command->add_flag("--interleaved", options->interleaved,
                    "rows of all users in turn, as in time; else one user's after another's");
  command->callback([options, &exit_code] { exit_code = run_fill(*options); });
}

}  // namespace ims::bench
