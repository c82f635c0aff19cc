#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same for logins: the rules of daemon/mint/login*.c and of what they touch are broken one by one, and tests/scenario/login.scn must notice each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from test_breaks import TOP, Break, compile_broken, link, run

BREAKS = (
    Break("any state will do", "login_finish.c", "return state && secret_equal(state, l->state_secret);", "return state;"),
    Break("no state will do", "login_finish.c", "return state && secret_equal(state, l->state_secret);",
          "return !state || secret_equal(state, l->state_secret);"),
    Break("any address will do", "login_url.c", "if (strncmp(url, redirect_uri, size) != 0)", "if (size == 0)"),
    Break("an answer is consumed twice", "login_finish.c", "else if (l->phase != LOGIN_WAITS)", "else if (l->phase == LOGIN_OVER)"),
    Break("whoever answers is believed", "login_finish.c", "if (a->iss ? !is_our_issuer(l, a->iss) : l->names_itself)", "if (a->iss ? !a->iss[0] : l->names_itself)"),
    Break("a server that always names itself need not", "login_finish.c", "!is_our_issuer(l, a->iss) : l->names_itself)", "!is_our_issuer(l, a->iss) : false)"),
    Break("a token from the browser is used without asking whose it is", "login_finish.c",
          "if (l->flow == LOGIN_USER_AGENT && (!known || !is_owner(l->grant, &user)))", "if (l->flow == LOGIN_DEVICE && (!known || !is_owner(l->grant, &user)))"),
    Break("a token from the browser is used although nobody confirms it", "login_finish.c", "(!known || !is_owner(l->grant, &user))",
          "(known && !is_owner(l->grant, &user))"),
    Break("another user than Username= is taken", "login_finish.c", "else if (wanted && strcasecmp(wanted, u->username) != 0)",
          "else if (wanted && strcasecmp(wanted, u->username) == 1000)"),
    Break("silence passes for Username=", "login_finish.c", "if (wanted && !u->username[0])", "if (wanted && u->username[0] == 1)"),
    Break("userinfo that fails makes the login fail", "login_finish.c", "l->flow == LOGIN_USER_AGENT && (!known ||", "(!known ||"),
    Break("a login without a refresh token is taken", "login_finish.c", "if (!l->grant->refresh_token)", "if (!l->grant)"),
    Break("what a cancelled exchange brings stays at the server", "login_finish.c", "if (r->grant && l->keeper)", "if (r->grant && !l->keeper)"),
    Break("what is refused stays at the server", "login_finish.c", "\tif (l->keeper)\n\t\tkeeper_discard(l->keeper, l->grant);", ""),
    Break("a login is applied while a spend is in flight", "keeper_login.c", "while (!k->spending && !k->revocation &&", "while (!k->revocation &&"),
    Break("the replaced refresh token stays at the server", "keeper_login.c", "if (replaced && !same && base)", "if (replaced && !base)"),
    Break("the refresh token in use is revoked", "keeper_login.c", "!secret_equal(old->token, g->refresh_token)", "old->token != g->refresh_token"),
    Break("the session in use is revoked", "keeper_login.c", "if (replaced && !same && base)", "if (replaced && base)"),
    Break("a failed revocation is not tried again", "keeper_dispose.c", "err->code == ERR_RETRY && d->tries < N_PAUSES", "err->code == ERR_RETRY && d->tries > N_PAUSES"),
    Break("an attempt is begun for what only a person can renew", "schedule.c", "if (step_by_person(x) || wait_for_end(x) || step_wait_for_holders(x))", "if (wait_for_end(x))"),
    Break("the end of such a token is not announced", "schedule_login.c", "s->ending = x->out->ending = true;", "s->ending = true;"),
    Break("a caller who needs more than is left of it waits", "schedule.c", "if (step_by_person(x)) {\n\t\tstep_login_needed(x);", "if (step_by_person(x)) {"),
    Break("a disabled credential is served after a login", "schedule_answers.c", "if (s->state == STATE_DISABLED)\n\t\ttake_new(x);\n\telse if", "if"),
    Break("a login leaves the doubt about the last spend", "store_spend.c", "e->refresh = *next;\n\tset_spend(s, e, (struct stored_spend){ 0 });", "e->refresh = *next;"),
    Break("a login of another user may be completed", "manager_login.c", "(login_uid(l) != p->uid || !may_login(login_credential(l), p))", "!may_login(login_credential(l), p)"),
    Break("AllowLogin= of one credential is good for all", "manager_login.c", "return manager_is_admin(c->manager, p) || may_login(credential, p);",
          "return manager_is_admin(c->manager, p) || may_login(credential, p) || manager_may_login_anywhere(c->manager, p);"),
    Break("who goes away leaves its login pending", "manager_login.c", "if (l && c->waits == WAITS_LOGIN)", "if (l && c->waits == WAITS_COMPLETION)"),
    Break("a reload leaves logins of changed credentials alone", "login.c", "if (l->keeper != old)", "if (l->keeper != old || new)"),
    Break("stopping does not wait for what a code brings", "login.c", "\tl->context->spending++;\n", ""),
    Break("any number of logins may be pending", "login.c", "mine < LOGINS_OF_CREDENTIAL_MAX", "mine < LOGINS_MAX"),
)


def try_break(b: Break) -> tuple[bool, str]:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        program = link(compile_broken(b, scratch), scratch, "tests/scenario/scenario")
        out = subprocess.run([str(program), str(TOP / "tests/scenario/login.scn")], capture_output=True, text=True, check=False, timeout=120)
        said = [line for line in out.stdout.splitlines() if line.startswith("not ok")]
        if out.returncode == 0:
            return False, "nothing was noticed"
        return True, "; ".join(said[:2]) or f"it died ({out.returncode}): {out.stderr.strip()[-100:]}"


if __name__ == "__main__":
    sys.exit(run(BREAKS, try_break))
