// What is drawn how often (generator.h).
#include "tests/model/generator.h"

#include <algorithm>

namespace ims::model {
namespace {

constexpr const char* kDevices[] = {"", "phone", "desk", "pad"};

}  // namespace

Operation Generator::next() {
  std::erase_if(open_, [&](const auto& entry) { return !model_.sessions_.contains(entry.first); });
  Operation operation;
  // In tens of a percent; who is left over asks for something.
  std::uint64_t roll = prng_.below(1000);
  const auto falls = [&](unsigned weight) {
    const bool hit = roll < weight;
    roll -= hit ? 0 : weight;
    return hit;
  };
  if (falls(shape_.restart_weight)) {
    operation.kind =
        shape_.crashes && prng_.chance(50) ? Operation::Kind::kCrash : Operation::Kind::kRestart;
    return operation;
  }
  if (falls(shape_.wait_weight)) {
    operation.kind = Operation::Kind::kWait;
    operation.after_ms =
        static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(shape_.leap_ms_max)));
    return operation;
  }
  const unsigned login = open_.size() < shape_.sessions / 2 ? 400 : shape_.login_weight;
  if (open_.empty() || falls(login)) return connect();

  auto it = open_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(prng_.below(open_.size())));
  const Who& who = it->second.who;
  operation.client = it->first;
  operation.who = who;
  operation.envelope = it->second.envelope;
  if (falls(open_.size() > shape_.sessions ? shape_.login_weight + 30 : shape_.login_weight / 3)) {
    operation.kind =
        one_of({Operation::Kind::kLeave, Operation::Kind::kHalfClose, Operation::Kind::kReset});
    return operation;
  }
  const std::uint64_t what = prng_.below(100);
  if (what < 38) {
    operation.request = message(who);
  } else if (what < 54) {
    operation.request = ack(who);
  } else if (what < 62) {
    operation.request = sync(who);
  } else if (what < 76) {
    operation.request = contact(who);
  } else if (what < 94) {
    operation.request = group(who);
  } else if (what < 99) {
    operation.request = presence(who);
  } else {
    operation.request.set_type(static_cast<Request::RequestType>(6 + prng_.below(5)));
  }
  if (prng_.below(400) == 0)
    operation.request.set_payload(
        "\x0a\x05"
        "ab");
  if (prng_.below(400) == 0) {
    while (operation.request.opts_size() < 17) operation.request.add_opts();
  }
  operation.with_id = shape_.ids_only || prng_.chance(80);
  return operation;
}

Operation Generator::connect() {
  Operation operation;
  operation.kind = Operation::Kind::kConnect;
  operation.client = ++clients_;
  operation.envelope = prng_.chance(50);
  operation.gateway = prng_.below(64);
  Who& who = operation.who;
  who.tenant = static_cast<int>(prng_.below(shape_.tenants));
  who.user = user();
  who.device = kDevices[prng_.below(shape_.devices)];
  who.explicit_mode = prng_.chance(50);
  who.send_only = prng_.chance(8);
  operation.ack_mode = who.explicit_mode ? 1 : 0;
  operation.wrong_secret = prng_.chance(2);
  if (prng_.chance(1)) {  // one wrong thing: what is said of two is the server's choice
    operation.wrong_secret = false;
    operation.ack_mode = 2 + static_cast<int>(prng_.below(3));
  } else if (prng_.chance(1)) {
    operation.wrong_secret = false;
    who.device = wrong_name();
  }
  open_[operation.client] = {who, operation.envelope};  // if it succeeds
  return operation;
}

std::uint64_t Generator::newest(const Who& who, const std::string& group) const {
  const Model::Tenant* found = tenant(who.tenant);
  if (found == nullptr) return 0;
  if (group.empty()) {
    const auto* user = find(found->users, who.user);
    return user == nullptr ? 0 : user->inbox.size();
  }
  const auto* timeline = find(found->groups, group);
  return timeline == nullptr ? 0 : timeline->rows.size();
}

// ---- names --------------------------------------------------------------------------------------

std::string Generator::user() {
  const std::uint64_t n = prng_.chance(50) ? prng_.below(8) : prng_.below(shape_.users);
  return "u" + std::to_string(n % shape_.users);
}

std::string Generator::near(const std::string& name) {
  const std::uint64_t n = std::strtoull(name.c_str() + 1, nullptr, 10);
  const std::uint64_t by = one_of<std::uint64_t>({1, 1, 2, shape_.users - 1, shape_.users - 2});
  return "u" + std::to_string((n + by) % shape_.users);
}

std::string Generator::any_user(const Who& who) {
  const std::uint64_t roll = prng_.below(200);
  if (roll < 1) return wrong_name();
  if (roll < 6) return one_of<std::string>({"nobody", "g1", "U1"});
  if (roll < 14) return who.user;
  return roll < 120 ? near(who.user) : user();
}

const Model::Tenant* Generator::tenant(int index) const {
  const auto it = model_.tenants_.find(index);
  return it == model_.tenants_.end() ? nullptr : &it->second;
}

std::string Generator::any_group(const Who& who) {
  const std::uint64_t roll = prng_.below(200);
  if (roll < 1) return wrong_name();
  if (roll < 5) return one_of<std::string>({"nowhere", "u1", "G1"});
  if (roll < 140) {
    const std::string own = own_group(who, 0);
    if (!own.empty()) return own;
  }
  if (roll < 160 && tenant(who.tenant) != nullptr) {  // one whose id the server made, say
    std::vector<std::string> names;
    for (const auto& [id, group] : tenant(who.tenant)->groups) names.push_back(id);
    if (!names.empty()) return pick(names);
  }
  return "g" + std::to_string(prng_.chance(40) ? prng_.below(3) : prng_.below(shape_.groups));
}

std::string Generator::own_group(const Who& who, int role) {
  std::vector<std::string> names;
  if (tenant(who.tenant) == nullptr) return {};
  for (const auto& [id, group] : tenant(who.tenant)->groups) {
    const auto* member = find(group.members, who.user);
    if (member != nullptr && member->role >= role) names.push_back(id);
  }
  return pick(names);
}

std::string Generator::member_of(int index, const std::string& group) {
  const auto* found = tenant(index) == nullptr ? nullptr : find(tenant(index)->groups, group);
  std::vector<std::string> names;
  if (found != nullptr) {
    for (const auto& [user, member] : found->members) names.push_back(user);
  }
  return pick(names);
}

std::string Generator::contact_in(const Who& who, int state) {
  std::vector<std::string> names;
  for (const auto& [user, contact] : tenant(who.tenant)->users.at(who.user).contacts) {
    if (state < 0 ? contact.blocked() : contact.state() == state) names.push_back(user);
  }
  return pick(names);
}

// One of the last that it stored there.
std::uint64_t Generator::own_row(const Who& who, const Timeline& rows) {
  const std::uint64_t skip = prng_.below(3);
  std::uint64_t seen = 0;
  for (std::uint64_t seq = rows.size(); seq > 0 && rows.size() - seq < 60; --seq) {
    const Row& row = rows[seq - 1];
    if (row.type != Request::MESSAGE || row.message.from() != who.user) continue;
    if (seen++ == skip) return seq;
  }
  return 0;
}

std::string Generator::wrong_name() {
  return one_of<std::string>({std::string(65, 'x'), "a b", "a/b", "a#b", "a*", ">", "a\nb", "a\x7f",
                              "a\u0085", "a\u00a0", "\u3000", "\u200a", "a\t"});
}

std::string Generator::payload() {
  const std::uint64_t roll = prng_.below(100);
  if (roll < 1) return std::string(shape_.message_bytes_max, 'p');
  if (roll < 2) return std::string(shape_.message_bytes_max + 1, 'p');
  std::string bytes = std::to_string(prng_.next());
  bytes.resize(prng_.below(20));
  return bytes;
}

std::uint64_t Generator::near_head(std::uint64_t head) {
  if (prng_.chance(4)) return head + 1 + prng_.below(3);
  if (prng_.chance(5)) return prng_.below(head + 1);
  const std::uint64_t back = prng_.below(prng_.chance(50) ? 2 : 8);
  return head > back ? head - back : 0;
}

}  // namespace ims::model
