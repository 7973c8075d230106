// What an operator may ask, one JSON object per question and per answer: the same for a running
// server (admin_server.h) and for imsctl alone over the store (ctl_store.cc). The two differ in who
// carries a change out, the OperatorBackend.
//
//   question  {"op": "app.add", "org": O, "appkey": A, "kid": K, "alg": "HS256" | "EdDSA",
//              "key": base64url}                      adds a key; an app without one is created
//             {"op": "app.list", "after": [O, A]}     a page in order of (org, appkey)
//             {"op": "app.remove", "org", "appkey", "kid"?}   with kid: that key alone
//             {"op": "app.secret", "org", "appkey", "kid"?}   an HS256 key, to sign tokens with
//             {"op": "user.add" | "user.passwd", "org", "appkey", "user", "password_hash"?,
//              "may_exist"?: true}
//             {"op": "user.remove" | "user.kick", "org", "appkey", "user"}
//             {"op": "user.devices", "org", "appkey", "user"}   "inbox_seq", "devices": [{"device",
//              "online", "last_seen_ms", "acked_seq", "groups"}], as logic/known_devices.h
//             {"op": "user.forget", "org", "appkey", "user", "device": "" is the default one}
//             {"op": "info"}
//             {"op": "store.copy"}   "path": a copy, gone with the line that asked (verify_copy.h)
//   answer    {"code": 0, ...} or {"code": n, "reason": "one sentence"}; codes as PROTOCOL.md 7
//
// Tenant ids are drawn at random: an id that a removed app had would bring back its users.
// Threads  One. Not on a hot path.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "logic/admin.h"
#include "logic/known_devices.h"
#include "logic/store.h"
#include "logic/tenant.h"
#include "shared/codes.h"

namespace ims {

class OperatorBackend {
 public:
  // kOk only once durable and in force everywhere; anything else: nothing has changed. `before` is
  // what the tenant was, null for a new one.
  virtual Code put_tenant(const logic::Tenant& tenant, const logic::Tenant* before) = 0;
  virtual Code remove_tenant(const logic::Tenant& tenant, std::uint64_t& sessions_ended) = 0;
  virtual Code run_user(logic::AdminCommand::Kind kind, const logic::Tenant& tenant,
                        std::string_view user, std::string_view password_hash,
                        std::uint64_t& sessions_ended) = 0;
  virtual Code list_devices(const logic::Tenant& tenant, std::string_view user,
                            logic::DeviceList& devices) = 0;
  // kForbidden: it has a session. kNotFound: no such user, or `no_such_device`.
  virtual Code forget_device(const logic::Tenant& tenant, std::string_view user,
                             std::string_view device, bool& no_such_device) = 0;
  // A copy of the store as it is now. kUnsupported where the asker has the store itself.
  virtual Code copy_store(std::string&) { return Code::kUnsupported; }

 protected:
  ~OperatorBackend() = default;
};

class OperatorDesk {
 public:
  // `listen`: the server's address for clients; empty: no server runs.
  OperatorDesk(logic::TenantTable tenants, OperatorBackend& backend, std::string listen);

  nlohmann::json answer(const nlohmann::json& question);
  // The same on text; whatever comes in, one line of JSON without its newline comes out.
  std::string answer_line(std::string_view line);

 private:
  nlohmann::json app_add(const nlohmann::json& question);
  nlohmann::json app_list(const nlohmann::json& question) const;
  nlohmann::json app_remove(const nlohmann::json& question);
  nlohmann::json app_secret(const nlohmann::json& question) const;
  nlohmann::json user(const nlohmann::json& question, logic::AdminCommand::Kind kind);
  nlohmann::json user_devices(const nlohmann::json& question);
  nlohmann::json user_forget(const nlohmann::json& question);
  nlohmann::json store_copy();
  nlohmann::json put(logic::Tenant tenant, const logic::Tenant* before);
  TenantId free_id() const;

  logic::TenantTable tenants_;
  OperatorBackend& backend_;
  std::string listen_;
};

// The store's tenants. Throws StoreError where one cannot be read.
logic::TenantTable load_tenants(logic::Store& store);

}  // namespace ims
