"""RelaySettings: the whole of `relay.yaml` as one frozen model, composed of the stations' own."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from relay.config.places import CONTROL, STATE_DIR
from relay.filters.settings import ClassRuleSettings, DkimSettings, FilterSettings, PipelineSettings
from relay.ingress.settings import (
    AuthSettings,
    CertificateSettings,
    IngressSettings,
    ListenSettings,
    ReturnPathSettings,
)
from relay.observe.settings import AlertSettings, LogSettings, MetricsSettings
from relay.settings import Settings
from relay.shaping.reaction_settings import ReactionSettings
from relay.shaping.settings import (
    LifeSettings,
    Limit,
    NxdomainSettings,
    PauseSettings,
    ProviderSettings,
    RetrySettings,
)
from relay.store.settings import DiskSettings, DsnSettings, FailedSettings, RefusedSettings
from relay.suppression import SuppressionSettings
from relay.transports.settings import (
    DeliverySettings,
    DestinationsSettings,
    DnsSettings,
    FallbackSettings,
    RouteSettings,
)
from relay.web.settings import InboxSettings, WebSettings

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def _named(key: str) -> BeforeValidator:
    def wrap(value: Any) -> Any:
        return {key: value} if isinstance(value, str) else value

    return BeforeValidator(wrap)


def _shipped_order() -> tuple[FilterSettings, ...]:
    return PipelineSettings().filters


Route = Annotated[RouteSettings, _named("to")]
Fallback = Annotated[FallbackSettings, _named("to")]
FilterEntry = Annotated[FilterSettings, _named("use")]


class RelaySettings(Settings):
    """`relay.yaml`. Every key has a default but `hostname`, which `lab: true` supplies."""

    hostname: str | None = None
    listen: tuple[ListenSettings, ...] = (ListenSettings(address="127.0.0.1:2525"),)
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK
    allowed_senders: tuple[str, ...] = ()
    state_dir: Path = Path(STATE_DIR)
    store: str = "sqlite"
    routes: dict[str, Route] = Field(default_factory=lambda: {"*": RouteSettings()})
    fallback_route: Fallback | None = None
    dns: DnsSettings = Field(default_factory=DnsSettings)
    destinations: DestinationsSettings = Field(default_factory=DestinationsSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    dkim: tuple[DkimSettings, ...] = ()
    limits: dict[str, Limit | None] = Field(default_factory=dict)
    providers: dict[str, ProviderSettings | None] = Field(default_factory=dict)
    pause: PauseSettings = Field(default_factory=PauseSettings)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    life: LifeSettings = Field(default_factory=LifeSettings)
    nxdomain: NxdomainSettings = Field(default_factory=NxdomainSettings)
    suppression: SuppressionSettings = Field(default_factory=SuppressionSettings)
    reactions: tuple[ReactionSettings, ...] = ()
    filters: tuple[FilterEntry, ...] = Field(default_factory=_shipped_order)
    classes: tuple[ClassRuleSettings, ...] = ()
    ingress: IngressSettings = Field(default_factory=IngressSettings)
    workers: int = Field(default=0, ge=0, le=64)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    certificate: CertificateSettings = Field(default_factory=CertificateSettings)
    return_path: ReturnPathSettings = Field(default_factory=ReturnPathSettings)
    disk: DiskSettings = Field(default_factory=DiskSettings)
    failed: FailedSettings = Field(default_factory=FailedSettings)
    refused: RefusedSettings = Field(default_factory=RefusedSettings)
    dsn: DsnSettings = Field(default_factory=DsnSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    inbox: InboxSettings = Field(default_factory=InboxSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    log: Annotated[LogSettings, _named("to")] = Field(default_factory=LogSettings)
    alerts: tuple[AlertSettings, ...] = ()
    control: Path = Path(CONTROL)
    lab: bool = False
    testing_smtp_port: int = Field(default=25, ge=1, le=65_535)


class SiteSettings(Settings):
    """A file of `site.d/`: limits and providers laid over `relay.yaml`, reactions before its own;
    or, in a file of another kind, rules for replies."""

    limits: dict[str, Limit | None] = Field(default_factory=dict)
    providers: dict[str, ProviderSettings | None] = Field(default_factory=dict)
    reactions: tuple[ReactionSettings, ...] = ()
