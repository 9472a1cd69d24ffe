"""What of JAX is asked beside its NumPy: a table a module."""

TABLES: dict[str, str] = {}
TABLES["jax.nn"] = """
nn.relu(x) | n34
nn.relu(x) | z34
nn.relu6(x) | w34
nn.sigmoid(x) | n34
nn.sigmoid(x) | w5
nn.softplus(x) | n34
nn.softplus(x) | w5
nn.soft_sign(x) | n34
nn.silu(x) | n34
nn.mish(x) | n34
nn.log_sigmoid(x) | n34
nn.log_sigmoid(x) | w5
nn.leaky_relu(x) | n34
nn.hard_sigmoid(x) | n34
nn.hard_silu(x) | w34
nn.hard_tanh(x) | n34
nn.elu(x) | n34
nn.celu(x, 0.7) | n34
nn.selu(x) | n34
nn.gelu(x) | n34
nn.gelu(x, approximate=False) | n34
nn.glu(x) | n34
nn.squareplus(x) | n34
nn.sparse_plus(x) | n34
nn.sparse_sigmoid(x) | n34
nn.log1mexp(x) | p34 | domain=(0, None)
nn.softmax(x) | n34
nn.softmax(x, axis=0) | n34
nn.softmax(x) | w34
nn.softmax(x, where=y) | n34 b34
nn.log_softmax(x) | n34
nn.log_softmax(x, axis=0) | w34
nn.logsumexp(x) | n34
nn.logsumexp(x, axis=1, keepdims=True) | n34
nn.logsumexp(x, axis=1, b=y) | n34 p34
nn.logmeanexp(x, axis=0) | n34
nn.standardize(x) | n34
nn.tanh(x) | n34
nn.dot_product_attention(x, y, z) | n1423 n1423 n1423
nn.dot_product_attention(x, y, z, is_causal=True) | n1423 n1423 n1423
"""
TABLES["jax.scipy.special"] = """
sp.betainc(2.0, 3.0, x) | u4 | domain=(0, 1)
sp.betaln(x, y) | p4 p4 | domain=(0, None)
sp.beta(x, y) | p4 p4 | domain=(0, None)
sp.digamma(x) | p34
sp.entr(x) | p34 | domain=(0, None)
sp.erf(x) | n34
sp.erfc(x) | n34
sp.erfcx(x) | n5
sp.erfinv(x) | a34 | domain=(-1, 1)
sp.exp1(x) | p5 | domain=(0, None)
sp.expi(x) | p5 | domain=(0, None)
sp.expit(x) | n34
sp.expit(x) | w5
sp.expn(2, x) | p5 | domain=(0, None)
sp.gamma(x) | p34
sp.gammainc(x, y) | p4 p4 | domain=(0, None)
sp.gammaincc(x, y) | p4 p4 | domain=(0, None)
sp.gammaln(x) | p34
sp.hyp1f1(x, y, z) | p3 p3 u3 | argnums=2
sp.i0(x) | n5
sp.i0e(x) | n5
sp.i1(x) | n5
sp.i1e(x) | n5
sp.kl_div(x, y) | p34 p34 | domain=(0, None)
sp.log_ndtr(x) | n34
sp.log_ndtr(x) | w5
sp.logit(x) | u34 | domain=(0, 1)
sp.logsumexp(x, axis=0) | n34
sp.multigammaln(x, 3) | g4 | domain=(1, None)
sp.ndtr(x) | n34
sp.ndtri(x) | u34 | domain=(0, 1)
sp.poch(x, y) | p4 p4
sp.polygamma(1, x) | p5 | domain=(0, None)
sp.polygamma(2, x) | p5 | domain=(0, None)
sp.rel_entr(x, y) | p34 p34 | domain=(0, None)
sp.sici(x) | p5
sp.xlog1py(x, y) | n34 p34 | domain=[None, (-1, None)]
sp.xlogy(x, y) | n34 p34 | domain=[None, (0, None)]
sp.zeta(x, y) | g4 p4 | domain=[(1, None), (0, None)], argnums=1
"""
TABLES["jax.scipy.stats"] = """
st.norm.logpdf(x, y, z) | n34 n34 p34 | domain=[None, None, (0, None)]
st.norm.pdf(x) | n34
st.norm.cdf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.norm.logcdf(x) | n34
st.norm.sf(x) | n34
st.norm.logsf(x) | w5
st.norm.ppf(x) | u34 | domain=(0, 1)
st.beta.logpdf(x, y, z) | u4 p4 p4 | domain=[(0, 1), (0, None), (0, None)]
st.beta.cdf(x, 2.0, 3.0) | u4 | domain=(0, 1)
st.cauchy.logpdf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.cauchy.cdf(x) | n34
st.chi2.logpdf(x, y) | p4 p4 | domain=(0, None)
st.chi2.cdf(x, y) | p4 p4 | domain=(0, None)
st.dirichlet.logpdf(y, x) | p4 q4 | domain=[(0, None), None], argnums=0
st.expon.logpdf(x) | p34 | domain=(0, None)
st.gamma.logpdf(x, y) | p4 p4 | domain=(0, None)
st.gamma.cdf(x, y) | p4 p4 | domain=(0, None)
st.gennorm.logpdf(x, y) | n4 p4 | domain=[None, (0, None)]
st.gumbel_r.logpdf(x) | n34
st.gumbel_l.cdf(x) | n34
st.laplace.logpdf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.laplace.cdf(x) | n34
st.logistic.logpdf(x) | n34
st.logistic.cdf(x, y, z) | n4 n4 p4 | domain=[None, None, (0, None)]
st.logistic.ppf(x) | u5 | domain=(0, 1)
st.pareto.logpdf(x, y) | g4 p4 | domain=[(1, None), (0, None)]
st.t.logpdf(x, y) | n4 p4 | domain=[None, (0, None)]
st.t.logpdf(x, y, z, w) | n4 p4 n4 p4 | domain=[None, (0, None), None, (0, None)]
st.truncnorm.logpdf(x, -2.0, 2.0) | a34 | domain=(-2, 2)
st.uniform.logpdf(x, -5.0, 12.0) | n34 | domain=(-5, 7)
st.vonmises.logpdf(x, y) | n4 p4 | domain=[None, (0, None)]
st.wrapcauchy.logpdf(x, y) | p4 u4 | domain=[(0, 6), (0, 1)]
st.bernoulli.logpmf(y % 2, x) | u4 k4 | domain=[(0, 1), None]
st.binom.logpmf(y, 4, x) | u4 k4 | domain=[(0, 1), None]
st.geom.logpmf(y + 1, x) | u4 k4 | domain=[(0, 1), None]
st.nbinom.logpmf(y, 3, x) | u4 k4 | domain=[(0, 1), None]
st.poisson.logpmf(y, x) | p4 k4 | domain=[(0, None), None]
st.poisson.cdf(y, x) | p4 k4 | domain=[(0, None), None]
st.betabinom.logpmf(z, 4, x, y) | p4 p4 k4 | domain=[(0, None), (0, None), None]
st.multivariate_normal.logpdf(x, y, z) | n3 n3 s33 | structure={'z': 'positive_definite'}
st.sem(x) | n34
"""
