// Questions, checks and answers (operator_desk.h).
#include "deploy/operator_desk.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "logic/base64url.h"
#include "logic/keys.h"
#include "logic/store_options.h"
#include "shared/assert.h"
#include "shared/names.h"

namespace ims {
namespace {

using logic::AdminCommand;
using logic::AppKey;
using logic::Tenant;
using nlohmann::json;

constexpr std::size_t kAppsPerPage = 100;
constexpr std::size_t kPasswordHashBytesMax = 128;  // crypto_pwhash_STRBYTES

json refusal(Code code, std::string reason) {
  return {{"code", static_cast<int>(code)}, {"reason", std::move(reason)}};
}

json success() { return {{"code", 0}}; }

// The member's text; empty where it is missing or no text.
std::string text(const json& question, const char* member) {
  const auto found = question.find(member);
  return found != question.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string app_text(std::string_view org, std::string_view appkey) {
  return std::string(org) + "/" + std::string(appkey);
}

// Why a change was not carried out.
std::string sentence(Code code, const std::string& what) {
  switch (code) {
    case Code::kNotFound: return what + " does not exist";
    case Code::kAlreadyExists: return what + " exists already";
    case Code::kOverloaded: return "the server is busy with other operators' commands; try again";
    case Code::kUnavailable:
      return "the store cannot write now, or the server is too busy to say; look at its log";
    default: return "not done, code " + std::to_string(static_cast<int>(code));
  }
}

json bad_user(const std::string& name) {
  return refusal(Code::kBadRequest, "'" + name + "' is no user name: 1 to 64 bytes of UTF-8 "
                                    "without white space, control characters and / # * >");
}

const char* name_of(AppKey::Alg alg) { return alg == AppKey::Alg::kHs256 ? "HS256" : "EdDSA"; }

std::optional<AppKey> key_of(const json& question, std::string& why) {
  const std::string kid = text(question, "kid");
  if (kid.size() > logic::kKidBytesMax || !valid_label(kid)) {
    why = "a key's name is at most 255 bytes of UTF-8 without control characters";
    return std::nullopt;
  }
  const bool is_secret = text(question, "alg") == "HS256";
  if (!is_secret && text(question, "alg") != "EdDSA") {
    why = "a key is for HS256 or for EdDSA";
    return std::nullopt;
  }
  char room[logic::kHmacSecretBytesMax];
  const auto bytes = logic::decode_base64url(text(question, "key"), std::span(room));
  if (is_secret && (!bytes || *bytes == 0)) {
    why = "a secret has 1 to " + std::to_string(logic::kHmacSecretBytesMax) + " bytes";
    return std::nullopt;
  }
  if (!is_secret && (!bytes || *bytes != logic::kEd25519PublicKeyBytes)) {
    why = "an Ed25519 public key is 32 bytes in base64url without padding (43 characters)";
    return std::nullopt;
  }
  return AppKey(kid, is_secret ? AppKey::Alg::kHs256 : AppKey::Alg::kEdDsa,
                std::string(room, *bytes));
}

}  // namespace

OperatorDesk::OperatorDesk(logic::TenantTable tenants, OperatorBackend& backend, std::string listen)
    : tenants_(std::move(tenants)), backend_(backend), listen_(std::move(listen)) {}

std::string OperatorDesk::answer_line(std::string_view line) {
  const json question = json::parse(line, nullptr, /*allow_exceptions=*/false);
  // What is not UTF-8 can only be in a question's own words: it is replaced, not thrown over.
  return answer(question).dump(-1, ' ', false, json::error_handler_t::replace);
}

json OperatorDesk::answer(const json& question) {
  if (!question.is_object()) return refusal(Code::kBadRequest, "a question is one JSON object");
  const std::string op = text(question, "op");
  if (op == "info") {
    json answer = success();
    answer["listen"] = listen_;
    answer["pid"] = listen_.empty() ? 0 : getpid();
    return answer;
  }
  if (op == "app.list") return app_list(question);
  if (op == "store.copy") return store_copy();

  const std::string org = text(question, "org");
  const std::string appkey = text(question, "appkey");
  for (const std::string& name : {org, appkey}) {
    if (!valid_name(name)) {
      return refusal(Code::kBadRequest, "'" + name + "' is no name: 1 to 64 bytes of UTF-8 without "
                                        "white space, control characters and / # * >");
    }
  }
  if (op == "app.add") return app_add(question);
  if (op == "app.remove") return app_remove(question);
  if (op == "app.secret") return app_secret(question);
  if (op == "user.add") return user(question, AdminCommand::Kind::kUserAdd);
  if (op == "user.passwd") return user(question, AdminCommand::Kind::kUserPassword);
  if (op == "user.remove") return user(question, AdminCommand::Kind::kUserRemove);
  if (op == "user.kick") return user(question, AdminCommand::Kind::kUserKick);
  if (op == "user.devices") return user_devices(question);
  if (op == "user.forget") return user_forget(question);
  return refusal(Code::kUnsupported, "unknown op '" + op + "'");
}

// ---- apps ----

json OperatorDesk::app_add(const json& question) {
  std::string why;
  std::optional<AppKey> key = key_of(question, why);
  if (!key) return refusal(Code::kBadRequest, why);
  const std::string org = text(question, "org");
  const std::string appkey = text(question, "appkey");
  const Tenant* before = tenants_.find(org, appkey);
  if (before == nullptr) return put({free_id(), org, appkey, {std::move(*key)}}, nullptr);

  const auto same_kid = std::ranges::find(before->keys, key->kid, &AppKey::kid);
  if (same_kid != before->keys.end()) {
    if (*same_kid == *key) return success();
    return refusal(Code::kAlreadyExists,
                   "app " + app_text(org, appkey) + " exists and has another key " +
                       (key->kid.empty() ? "without a name; give the new one a name with --kid"
                                         : "'" + key->kid + "'; choose another --kid"));
  }
  if (before->keys.size() >= logic::kTenantKeysMax) {
    return refusal(Code::kQueueFull, "app " + app_text(org, appkey) + " has " +
                                         std::to_string(logic::kTenantKeysMax) +
                                         " keys, more are not allowed; remove one first");
  }
  Tenant after = *before;
  after.keys.push_back(std::move(*key));
  return put(std::move(after), before);
}

json OperatorDesk::app_list(const json& question) const {
  std::pair<std::string, std::string> after;
  const auto found = question.find("after");
  if (found != question.end() && found->is_array() && found->size() == 2 &&
      found->at(0).is_string() && found->at(1).is_string()) {
    after = {found->at(0).get<std::string>(), found->at(1).get<std::string>()};
  }
  std::vector<const Tenant*> rest;
  tenants_.for_each([&](const Tenant& tenant) {
    if (std::pair(tenant.org, tenant.appkey) > after) rest.push_back(&tenant);
  });
  std::ranges::sort(rest, {}, [](const Tenant* t) { return std::pair(t->org, t->appkey); });

  json answer = success();
  answer["more"] = rest.size() > kAppsPerPage;
  json& apps = answer["apps"] = json::array();
  rest.resize(std::min(rest.size(), kAppsPerPage));
  for (const Tenant* tenant : rest) {
    json keys = json::array();
    for (const AppKey& key : tenant->keys) {
      keys.push_back({{"kid", key.kid}, {"alg", name_of(key.alg)}});
    }
    apps.push_back({{"org", tenant->org}, {"appkey", tenant->appkey}, {"keys", keys}});
  }
  return answer;
}

json OperatorDesk::app_remove(const json& question) {
  const std::string org = text(question, "org");
  const std::string appkey = text(question, "appkey");
  const Tenant* tenant = tenants_.find(org, appkey);
  if (tenant == nullptr) return refusal(Code::kNotFound, "no app " + app_text(org, appkey));
  if (question.contains("kid")) {
    Tenant after = *tenant;
    const std::string kid = text(question, "kid");
    if (std::erase_if(after.keys, [&](const AppKey& key) { return key.kid == kid; }) == 0) {
      return refusal(Code::kNotFound, "app " + app_text(org, appkey) + " has no key '" + kid + "'");
    }
    if (after.keys.empty()) return refusal(Code::kBadRequest, "an app keeps at least one key");
    return put(std::move(after), tenant);
  }
  std::uint64_t ended = 0;
  const Code code = backend_.remove_tenant(*tenant, ended);
  if (code != Code::kOk) return refusal(code, sentence(code, "app " + app_text(org, appkey)));
  tenants_.remove(tenant->id);
  json answer = success();
  answer["ended"] = ended;
  return answer;
}

json OperatorDesk::app_secret(const json& question) const {
  const std::string org = text(question, "org");
  const std::string appkey = text(question, "appkey");
  const Tenant* tenant = tenants_.find(org, appkey);
  if (tenant == nullptr) return refusal(Code::kNotFound, "no app " + app_text(org, appkey));
  const bool any = !question.contains("kid");
  const std::string kid = text(question, "kid");
  for (const AppKey& key : tenant->keys) {
    if (key.alg != AppKey::Alg::kHs256 || !(any || key.kid == kid)) continue;
    json answer = success();
    answer["kid"] = key.kid;
    answer["key"] = logic::encode_base64url(key.secret_or_public_key);
    return answer;
  }
  return refusal(Code::kNotFound,
                 "app " + app_text(org, appkey) +
                     (any ? " has public keys alone: its tokens are signed elsewhere"
                          : " has no HS256 key '" + kid + "'"));
}

json OperatorDesk::put(Tenant tenant, const Tenant* before) {
  IMS_ASSERT(is_valid(tenant));  // every part was checked
  const Code code = backend_.put_tenant(tenant, before);
  if (code != Code::kOk) {
    return refusal(code, sentence(code, "app " + app_text(tenant.org, tenant.appkey)));
  }
  const bool put = tenants_.put(std::move(tenant));
  IMS_ASSERT(put);  // its name was looked up, its id is its own or free
  return success();
}

TenantId OperatorDesk::free_id() const {
  TenantId id;
  while (!id || tenants_.find(id) != nullptr) {
    // Four bytes are never cut short, and the pool was filled long before a login.
    if (getrandom(&id.value, sizeof id.value, 0) != sizeof id.value) id = {};
  }
  return id;
}

// ---- users ----

json OperatorDesk::user(const json& question, AdminCommand::Kind kind) {
  const std::string org = text(question, "org");
  const std::string appkey = text(question, "appkey");
  const std::string name = text(question, "user");
  const std::string hash = text(question, "password_hash");
  if (!valid_name(name)) return bad_user(name);
  if (hash.size() > kPasswordHashBytesMax || (!hash.empty() && !hash.starts_with("$argon2id$"))) {
    return refusal(Code::kBadRequest, "a password's hash is libsodium's argon2id string");
  }
  if (kind == AdminCommand::Kind::kUserPassword && hash.empty()) {
    return refusal(Code::kBadRequest, "a password is needed");
  }
  const Tenant* tenant = tenants_.find(org, appkey);
  if (tenant == nullptr) return refusal(Code::kNotFound, "no app " + app_text(org, appkey));
  std::uint64_t ended = 0;
  Code code = backend_.run_user(kind, *tenant, name, hash, ended);
  if (code == Code::kAlreadyExists && question.value("may_exist", json()) == true) code = Code::kOk;
  if (code != Code::kOk) return refusal(code, sentence(code, "user '" + name + "'"));
  json answer = success();
  answer["ended"] = ended;
  return answer;
}

json OperatorDesk::user_devices(const json& question) {
  const std::string name = text(question, "user");
  if (!valid_name(name)) return bad_user(name);
  const std::string app = app_text(text(question, "org"), text(question, "appkey"));
  const Tenant* tenant = tenants_.find(text(question, "org"), text(question, "appkey"));
  if (tenant == nullptr) return refusal(Code::kNotFound, "no app " + app);
  logic::DeviceList list;
  const Code code = backend_.list_devices(*tenant, name, list);
  if (code != Code::kOk) return refusal(code, sentence(code, "user '" + name + "'"));
  json answer = success();
  answer["inbox_seq"] = list.inbox_seq;
  json& devices = answer["devices"] = json::array();
  for (const logic::KnownDevice& device : list.devices) {
    devices.push_back({{"device", device.name},
                       {"online", device.online},
                       {"last_seen_ms", device.last_seen_ms},
                       {"acked_seq", device.acked_seq},
                       {"groups", device.groups}});
  }
  return answer;
}

json OperatorDesk::user_forget(const json& question) {
  const std::string name = text(question, "user");
  if (!valid_name(name)) return bad_user(name);
  const std::string org = text(question, "org");
  const std::string appkey = text(question, "appkey");
  const auto device = question.find("device");
  if (device == question.end() || !device->is_string() ||
      !(*device == "" || valid_name(device->get<std::string>()))) {
    return refusal(Code::kBadRequest, "a device's name is empty or 1 to 64 bytes of UTF-8 without "
                                      "white space, control characters and / # * >");
  }
  const std::string its_name = device->get<std::string>();
  const Tenant* tenant = tenants_.find(org, appkey);
  if (tenant == nullptr) return refusal(Code::kNotFound, "no app " + app_text(org, appkey));
  bool no_such_device = false;
  const Code code = backend_.forget_device(*tenant, name, its_name, no_such_device);
  if (code == Code::kOk) return success();
  const std::string which = its_name.empty() ? "default device" : "device '" + its_name + "'";
  if (no_such_device) {
    return refusal(code, "the server knows no " + which + " of user '" + name + "'");
  }
  if (code == Code::kForbidden) {
    return refusal(code, "the " + which + " of user '" + name + "' has a session; `imsctl user "
                         "kick " + org + " " + appkey + " " + name + "` ends the user's sessions");
  }
  return refusal(code, sentence(code, "user '" + name + "'"));
}

// ---- the store ----

json OperatorDesk::store_copy() {
  std::string path;
  switch (const Code code = backend_.copy_store(path)) {
    case Code::kOk: {
      json answer = success();
      answer["path"] = path;
      return answer;
    }
    case Code::kOverloaded: return refusal(code, "another imsctl verify is under way; try again");
    case Code::kUnsupported: return refusal(code, "no server runs that could copy its store");
    default: return refusal(code, "the store cannot be copied; the server's log says why");
  }
}

// ---- start ----

logic::TenantTable load_tenants(logic::Store& store) {
  class Tenants final : public logic::RowVisitor {
   public:
    bool on_row(std::string_view, std::string_view value) override {
      auto tenant = logic::decode_tenant(value);
      bad = !tenant || !table.put(std::move(*tenant));
      return !bad;
    }
    logic::TenantTable table;
    bool bad = false;
  };
  Tenants tenants;
  const auto status = store.scan(logic::Table::kMeta, "t", logic::prefix_end("t"), false,
                                 logic::ReadTier::kMayBlock, tenants);
  if (tenants.bad || status != logic::StoreStatus::kOk) {
    throw logic::StoreError(
        "store: the apps cannot be read; restore a backup of the data directory");
  }
  return std::move(tenants.table);
}

}  // namespace ims
