// SPDX-License-Identifier: GPL-2.0
//! `ngx_stream_client_address_module`: the client's address as variables of the stream subsystem, for TCP and UDP.

use std::ffi::c_void;
use std::ptr::addr_of;

use client_address::variable;
use ngx::ffi::{
    ngx_conf_t, ngx_int_t, ngx_module_t, ngx_stream_add_variable, ngx_stream_module_t,
    NGX_STREAM_MODULE,
};

ngx::ngx_modules!(ngx_stream_client_address_module);

static CONTEXT: ngx_stream_module_t = ngx_stream_module_t {
    preconfiguration: Some(add_variables),
    postconfiguration: None,
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
};

/// nginx finds it by this name, and numbers it.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static mut ngx_stream_client_address_module: ngx_module_t = ngx_module_t {
    ctx: addr_of!(CONTEXT).cast_mut().cast::<c_void>(),
    type_: NGX_STREAM_MODULE as usize,
    ..ngx_module_t::default()
};

/// # Safety
///
/// nginx calls it, while it reads its configuration.
unsafe extern "C" fn add_variables(configuration: *mut ngx_conf_t) -> ngx_int_t {
    variable::add_all(|name, place| {
        // SAFETY: The configuration is nginx's, and what it returns is there until the next one.
        let added = unsafe { ngx_stream_add_variable(configuration, name, 0).as_mut() };
        let Some(added) = added else {
            return false;
        };
        added.get_handler = Some(variable::get);
        added.data = place;
        true
    })
}
