/* What the deploy files say, against what the server really has: settings, metrics, ports, times. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parser } from '@prometheus-io/lezer-promql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments, parseDocument } from 'yaml'
import { readConfig, settings } from '../src/config.js'
import { startServer, type TestServer } from '../src/testing/start-server.js'

const top = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, top), 'utf8')
const yaml = (path: string): unknown => parse(read(path), { merge: true })

const deployFolder = 'server/deploy'
const yamlFiles = [
  'docker-compose.yml',
  '.github/workflows/ci.yml',
  ...readdirSync(fileURLToPath(new URL(deployFolder, top)), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => `${deployFolder}/${name}`),
]

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly stop_grace_period?: string
}
const compose = yaml('docker-compose.yml') as { readonly services: Readonly<Record<string, Service>> }
const weftServices = Object.entries(compose.services).filter(([, { image }]) => image === 'weft')

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Readonly<Record<string, unknown>>
}
const manifest = (file: string): unknown =>
  parseAllDocuments(read(`${deployFolder}/kubernetes/${file}`))[0]!.toJS()

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}
interface Deployment extends Manifest {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly securityContext: { readonly runAsNonRoot: boolean }
        readonly containers: readonly {
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
          readonly env: readonly { readonly name: string; readonly value?: string }[]
          readonly readinessProbe: Probe
          readonly livenessProbe: Probe
          readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
        }[]
      }
    }
  }
}
const deployment = manifest('deployment.yaml') as Deployment
const pod = deployment.spec.template.spec
const container = pod.containers[0]!

// `NODE_ENV` is for the libraries.
const settingNames = new Set<string>([...settings.map(({ env }) => env), 'NODE_ENV'])
const defaults = readConfig({})

test.each(yamlFiles)('%s is YAML without errors and duplicate keys', (path) => {
  for (const document of parseAllDocuments(read(path), { merge: true })) {
    expect([...document.errors, ...document.warnings]).toEqual([])
  }
})

describe('the composition', () => {
  test('has three nodes that share a database, Redis and the key for tokens', () => {
    expect(weftServices.map(([name]) => name)).toEqual(['weft-1', 'weft-2', 'weft-3'])
    for (const name of ['DATABASE_URL', 'REDIS_URL', 'JWT_SECRET']) {
      const values = new Set(weftServices.map(([, { environment }]) => environment?.[name]))
      expect([name, values.size, values.has(undefined)]).toEqual([name, 1, false])
    }
  })

  test('has no secret of its own: the start fails without each of them', () => {
    const text = read('docker-compose.yml')
    for (const name of ['JWT_SECRET', 'POSTGRES_PASSWORD', 'GRAFANA_PASSWORD']) {
      const uses = text.match(new RegExp(String.raw`\$\{${name}[^}]*\}`, 'g')) ?? []
      expect(uses.length).toBeGreaterThan(0)
      for (const use of uses) expect(use).toMatch(/:\?set /)
    }
  })

  test('names only settings that exist', () => {
    const known: Readonly<Record<string, (name: string) => boolean>> = {
      weft: (name) => settingNames.has(name),
      postgres: (name) => /^POSTGRES_(USER|PASSWORD|DB)$/.test(name),
      'grafana/grafana': (name) => /^GF_[A-Z]+_[A-Z_]+$/.test(name),
    }
    for (const [service, { image, environment = {} }] of Object.entries(compose.services)) {
      const isKnown = known[image.split(':')[0]!] ?? (() => false)
      expect([service, Object.keys(environment).filter((name) => !isKnown(name))]).toEqual([service, []])
    }
  })

  test('gives values that the server accepts, and no playground', () => {
    for (const [, { environment = {} }] of weftServices) {
      const given = Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [
          name,
          value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll(/\$\{[^}]*\}/g, 'x'.repeat(32)),
        ]),
      )
      const config = readConfig(given)
      expect(config).toMatchObject({ host: '0.0.0.0', port: 4400, playground: false })
    }
  })

  test('leaves a node the time to drain', () => {
    for (const [, service] of weftServices) {
      expect(parseInt(service.stop_grace_period!, 10) * 1000).toBeGreaterThan(defaults.shutdownTimeoutMs)
    }
  })

  test('mounts files that exist, and opens only nginx to others', () => {
    for (const [name, { volumes = [], ports = [] }] of Object.entries(compose.services)) {
      for (const volume of volumes) {
        const from = volume.split(':')[0]!
        if (from.startsWith('./')) expect(() => readdirSync(new URL(from, top))).not.toThrow(/ENOENT/)
      }
      if (name !== 'nginx') for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
    }
  })

  test('balances over all nodes, and Prometheus asks all of them', () => {
    const targets = weftServices.map(([name]) => `${name}:4400`)
    expect(read(`${deployFolder}/nginx/nodes.conf`).match(/weft-\d+:\d+/g)).toEqual(targets)
    const haproxy = read(`${deployFolder}/haproxy.cfg`).match(/-weft-\d+:\d+/g)
    expect(haproxy).toEqual([...targets, ...targets].map((target) => `-${target}`))
    const prometheus = yaml(`${deployFolder}/prometheus/prometheus.yml`) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[]
    }
    const [metrics, ready] = prometheus.scrape_configs.map(({ static_configs }) => static_configs[0]!.targets)
    expect(metrics).toEqual(targets)
    expect(ready).toEqual(targets.map((target) => `http://${target}/readyz`))
  })
})

describe('the manifests', () => {
  test('name only settings that exist, with values that the server accepts', () => {
    for (const { name } of container.env) expect([...settingNames]).toContain(name)
    const secret = 'x'.repeat(32)
    const fromSecrets = { DATABASE_URL: 'postgres://db/weft', REDIS_URL: 'redis://redis', JWT_SECRET: secret }
    const given = container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))
    const config = readConfig({ ...fromSecrets, ...(Object.fromEntries(given) as Record<string, string>) })
    expect(config).toMatchObject({ host: '0.0.0.0', playground: false })
    expect(container.ports).toEqual([{ name: 'http', containerPort: config.port }])
    const preStop = Number(container.lifecycle.preStop.exec.command[1])
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(
      preStop * 1000 + config.shutdownTimeoutMs,
    )
  })

  test('ask the right questions', () => {
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' })
    expect(container.livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'http' })
    expect(pod.securityContext.runAsNonRoot).toBe(true)
  })

  test('mean the same pods', () => {
    const labels = deployment.spec.template.metadata.labels
    expect(deployment.spec.selector.matchLabels).toEqual(labels)
    const services = parseAllDocuments(read(`${deployFolder}/kubernetes/service.yaml`)).map(
      (document) => document.toJS() as Manifest,
    )
    for (const { spec } of services) expect(spec['selector']).toEqual(labels)
    const budget = manifest('poddisruptionbudget.yaml') as Manifest
    expect(budget.spec['selector']).toEqual({ matchLabels: labels })
    const { kind, metadata } = deployment
    const autoscaler = manifest('horizontalpodautoscaler.yaml') as Manifest
    expect(autoscaler.spec['scaleTargetRef']).toMatchObject({ kind, name: metadata.name })
  })
})

describe('the image', () => {
  const dockerfile = read(`${deployFolder}/Dockerfile`)

  test('is Debian with Node 20, not root, and starts the command', () => {
    expect(dockerfile.match(/^FROM (?!manifests)\S+/gm)).toEqual(Array(2).fill('FROM node:20-bookworm-slim'))
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))
    for (const line of [
      'USER node',
      'STOPSIGNAL SIGTERM',
      'ENTRYPOINT ["node", "server/bin/weft.js"]',
      'CMD ["start"]',
    ]) {
      expect(last.split('\n')).toContain(line)
    }
    const env = /^ENV (.*)$/m.exec(last)![1]!
    for (const [, name] of env.matchAll(/(\w+)=/g)) expect([...settingNames]).toContain(name)
  })

  test('copies the manifests of all workspaces', () => {
    const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] }
    for (const name of workspaces) expect(dockerfile).toContain(`COPY ${name}/package.json ${name}/\n`)
  })
})

describe('the workflow', () => {
  test('runs what .ci/run runs, and builds the image', () => {
    const { jobs } = yaml('.github/workflows/ci.yml') as {
      jobs: Record<string, { steps: { run?: string }[] }>
    }
    const runs = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
    expect(runs).toContain('.ci/run')
    expect(runs).toContain('docker build -f server/deploy/Dockerfile -t weft .')
  })
})

describe('queries', () => {
  let server: TestServer
  /** Every series that a node exports, by name. */
  const exported = new Set<string>()

  beforeAll(async () => {
    server = await startServer()
    const text = await (await fetch(`${server.httpUrl}/metrics`)).text()
    for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      exported.add(name)
      if (type === 'histogram')
        for (const suffix of ['bucket', 'sum', 'count']) exported.add(`${name}_${suffix}`)
    }
    // Prometheus's own, and the blackbox exporter's.
    for (const name of ['up', 'probe_success']) exported.add(name)
  })
  afterAll(async () => {
    await server.dispose()
  })

  /** The names of the series in a query. @throws {Error} when it is not PromQL */
  const seriesOf = (query: string): string[] => {
    const names: string[] = []
    parser.parse(query).iterate({
      enter: ({ type, from, to, node }) => {
        if (type.isError) throw new Error(`not PromQL at ${from}: ${query}`)
        if (type.name !== 'VectorSelector') return
        const name = node.getChild('Identifier')
        if (name === null) throw new Error(`a selector without a name: ${query.slice(from, to)}`)
        names.push(query.slice(name.from, name.to))
      },
    })
    return names
  }
  const expectExported = (query: string): void => {
    const names = seriesOf(query)
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect([...exported], query).toContain(name)
  }

  test('the parser finds what is wrong', () => {
    expect(seriesOf('sum by (a) (rate(weft_x_total{b="c"}[5m])) > 0.1 * up')).toEqual(['weft_x_total', 'up'])
    expect(() => seriesOf('sum(rate(weft_x_total[5m])')).toThrow('not PromQL')
  })

  test('of alerts are of metrics that a node exports, and the README says what to do', () => {
    const readme = read(`${deployFolder}/README.md`)
    const { groups } = yaml(`${deployFolder}/prometheus/alerts.yml`) as {
      groups: { rules: { alert: string; expr: string }[] }[]
    }
    const rules = groups.flatMap((group) => group.rules)
    expect(rules.length).toBeGreaterThan(8)
    for (const { alert, expr } of rules) {
      expectExported(expr)
      expect(readme).toContain(`| \`${alert}\` |`)
    }
    const full = /weft_journal_bytes > 0.7 \* (\d+)/.exec(rules.map(({ expr }) => expr).join('\n'))
    expect(Number(full?.[1])).toBe(defaults.journalMaxBytes)
  })

  test('of the dashboard are of metrics that a node exports', () => {
    const dashboard = JSON.parse(read(`${deployFolder}/grafana/dashboards/weft.json`)) as {
      panels: { type: string; title: string; datasource?: { uid: string }; targets?: { expr: string }[] }[]
    }
    const { datasources } = yaml(`${deployFolder}/grafana/provisioning/datasources/prometheus.yml`) as {
      datasources: { uid: string }[]
    }
    for (const { type, title, datasource, targets = [] } of dashboard.panels) {
      if (type === 'row') continue
      expect([title, datasource?.uid]).toEqual([title, datasources[0]!.uid])
      expect(targets.length).toBeGreaterThan(0)
      for (const { expr } of targets) expectExported(expr.replaceAll('$__rate_interval', '1m'))
    }
  })

  test('of the autoscaler are of a metric that a node exports', () => {
    const hpa = manifest('horizontalpodautoscaler.yaml') as {
      spec: { metrics: { pods?: { metric: { name: string } } }[] }
    }
    const name = hpa.spec.metrics[0]!.pods!.metric.name
    expect([...exported]).toContain(name)
    const adapter = parseDocument(
      read(`${deployFolder}/kubernetes/prometheus-adapter.values.yaml`),
    ).toJS() as {
      rules: { custom: { seriesQuery: string; name: { as: string } }[] }
    }
    expect(adapter.rules.custom[0]!.name.as).toBe(name)
    expectExported(adapter.rules.custom[0]!.seriesQuery)
  })
})
