"""Loopback copies of the vendors' APIs: real HTTP, pages as documented, faults on demand. Rows are plain lists that a test may change."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "sk-CANARY-key-9d41"
ADMIN = "/v1/organizations"


class Loopback:
    """A server on this machine; `routes` maps a path to `answer(query, body)`, `faults` are taken by the next requests."""

    def __init__(self, routes):
        self.routes = routes
        self.faults = []  # per request from now on: None, (status, headers), or bytes of a body that breaks off
        self.requests = []
        self.headers = []
        self.on_request = None

    def __enter__(self):
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.answer(self, None)

            def do_POST(self):
                owner.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def count(self):
        """Requests by path."""
        return Counter(self.requests)

    def answer(self, handler, body):
        parts = urlsplit(handler.path)
        self.requests.append(parts.path)
        self.headers.append(dict(handler.headers))
        if self.on_request:
            self.on_request(len(self.requests))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, bytes):
            self._send(handler, 200, {"Content-Length": str(len(fault) + 100)}, fault)
            handler.close_connection = True
            return
        if fault:
            self._send(handler, fault[0], {"Content-Length": "0", **fault[1]}, b"")
            return
        route = self.routes.get(parts.path)
        found = route({name: values[-1] for name, values in parse_qs(parts.query).items()}, body) if route else None
        data = found if isinstance(found, bytes) else json.dumps(found).encode()
        self._send(handler, 404 if found is None else 200, {"Content-Length": str(len(data))}, data)

    def _send(self, handler, status, headers, data):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)


def tokens_of(rows, query, size, **more):
    """A page of `rows` behind a token, as Anthropic and OpenAI give it."""
    start = int(query.get("page", "page_0")[5:])
    has_more = start + size < len(rows)
    next_page = f"page_{start + size}" if has_more else None
    return {"data": rows[start : start + size], "has_more": has_more, "next_page": next_page, **more}


def anthropic(data, size=2, refreshed="2026-11-09T02:10:00Z"):
    """Routes over `data`: usage and cost are results by day; claude_code, analytics_usage and analytics_cost are records."""

    def buckets(name):
        def answer(query, _):
            day = query["starting_at"][:10]
            pages = [{"starting_at": f"{day}T00:00:00Z", "results": [row]} for row in data.get(name, {}).get(day, [])]
            return tokens_of(pages, query, size)

        return answer

    def records(name, field, **more):
        def answer(query, _):
            rows = [row for row in data.get(name, []) if row[field][:10] == query["starting_at"][:10]]
            return tokens_of(rows, query, size, **more)

        return answer

    analytics = {"data_refreshed_at": refreshed}
    return {
        f"{ADMIN}/usage_report/messages": buckets("usage"),
        f"{ADMIN}/cost_report": buckets("cost"),
        f"{ADMIN}/usage_report/claude_code": records("claude_code", "date"),
        f"{ADMIN}/analytics/usage": records("analytics_usage", "starting_at", **analytics),
        f"{ADMIN}/analytics/cost": records("analytics_cost", "starting_at", **analytics),
    }


def openai(data, size=2):
    """Routes over `data`: results by first second of their day."""

    def buckets(name):
        def answer(query, _):
            start = int(query["start_time"])
            pages = [
                {"object": "bucket", "start_time": start, "results": [row]} for row in data.get(name, {}).get(start, [])
            ]
            return tokens_of(pages, query, size, object="page")

        return answer

    usage = {f"/v1/organization/usage/{name}": buckets(name) for name in ("completions", "embeddings", "moderations")}
    return {**usage, "/v1/organization/costs": buckets("costs")}


def cursor(data, size=3, shift=1):
    """Routes over `data`: events, daily, members and commits. Each page of events repeats `shift` rows of the one before."""

    def numbered(rows, body, overlap=0):
        pages = [rows[max(0, start - overlap) : start + size] for start in range(0, len(rows), size)] or [[]]
        page = body["page"]
        return (pages[page - 1] if page <= len(pages) else []), {
            "currentPage": page,
            "numPages": len(pages),
            "hasNextPage": page < len(pages),
        }

    def events(_, body):
        rows = [row for row in data.get("events", []) if body["startDate"] <= int(row["timestamp"]) <= body["endDate"]]
        items, pagination = numbered(rows, body, shift)
        return {"totalUsageEventsCount": len(rows), "pagination": pagination, "usageEvents": items}

    def daily(_, body):
        rows = [row for row in data.get("daily", []) if body["startDate"] <= row["date"] <= body["endDate"]]
        items, pagination = numbered(rows, body)
        return {"data": items, "pagination": pagination}

    def spend(_, body):
        items, pagination = numbered(data.get("members", []), body)
        return {"teamMemberSpend": items, "totalPages": pagination["numPages"], "totalMembers": len(data.get("members", [])),
                "subscriptionCycleStart": data.get("cycle", 1790812800000)}  # fmt: skip

    def commits(query, _):
        rows = [row for row in data.get("commits", []) if query["startDate"] <= row["commitTs"] <= query["endDate"]]
        page = int(query["page"])
        return {"items": rows[(page - 1) * size : page * size], "totalCount": len(rows), "page": page, "pageSize": size}

    return {"/teams/filtered-usage-events": events, "/teams/daily-usage-data": daily, "/teams/spend": spend,
            "/analytics/ai-code/commits": commits}  # fmt: skip


def copilot(data, size=2, account="orgs/acme"):
    """Routes over `data`: users and organization are NDJSON parts by day, seats a list, credits items by day."""
    base = f"/{account}/copilot"

    def links(name):
        def answer(query, _):
            parts = data.get(name, {}).get(query["day"])
            if parts is None:
                return None
            return {"download_links": [f"/signed/{name}/{query['day']}/{number}?sig=CANARY-sig" for number in range(len(parts))],
                    "report_day": query["day"]}  # fmt: skip

        return answer

    def seats(query, _):
        page, rows = int(query["page"]), data.get("seats", [])
        return {"total_seats": len(rows), "seats": rows[(page - 1) * size : page * size]}

    def credits_(query, _):
        day = "{}-{:0>2}-{:0>2}".format(query["year"], query["month"], query["day"])
        period = {name: int(query[name]) for name in ("year", "month", "day")}
        return {"timePeriod": period, "usageItems": data.get("credits", {}).get(day, [])}

    routes = {
        f"{base}/metrics/reports/users-1-day": links("users"),
        f"{base}/metrics/reports/organization-1-day": links("organization"),
        f"{base}/billing/seats": seats,
        f"/organizations/{account.split('/')[1]}/settings/billing/ai_credit/usage": credits_,
    }
    for name in ("users", "organization"):
        for day, parts in data.get(name, {}).items():
            for number, part in enumerate(parts):
                routes[f"/signed/{name}/{day}/{number}"] = lambda *_, part=part: part
    return routes
